import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;

/** Reads decoded values with Jedis and ByteBuffer: java Decoded.java HOST:PORT */
public class Decoded {
  static byte[] name(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static ByteBuffer packed(byte[] value) {
    return ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN);
  }

  static float[] floats(byte[] value) {
    float[] list = new float[value.length / Float.BYTES];
    packed(value).asFloatBuffer().get(list);
    return list;
  }

  static long[] longs(byte[] value) {
    long[] list = new long[value.length / Long.BYTES];
    packed(value).asLongBuffer().get(list);
    return list;
  }

  static List<String> strings(byte[] value) {
    List<String> list = new ArrayList<>();
    for (ByteBuffer rest = packed(value); rest.hasRemaining(); ) {
      byte[] one = new byte[rest.getInt()];
      rest.get(one);
      list.add('"' + new String(one, StandardCharsets.UTF_8) + '"');
    }
    return list;
  }

  static String text(byte[] value) {
    return new String(value, StandardCharsets.US_ASCII);
  }

  public static void main(String[] args) {
    try (Jedis client = new Jedis(HostAndPort.from(args[0]))) {
      List<byte[]> values = client.hmget(
          name("store:1"), name("eta"), name("emb"), name("stores"), name("tags"), name("open"), name("orders"));
      System.out.printf("{\"eta\": %s, \"emb\": %s, \"stores\": %s, \"tags\": %s, \"open\": %s, \"orders\": %s}%n",
          Double.parseDouble(text(values.get(0))),
          Arrays.toString(floats(values.get(1))),
          Arrays.toString(longs(values.get(2))),
          strings(values.get(3)),
          text(values.get(4)).equals("1"),
          values.get(5) == null ? null : Long.parseLong(text(values.get(5))));
    }
  }
}
