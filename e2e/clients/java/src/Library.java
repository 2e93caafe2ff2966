import java.util.List;
import java.util.Map;

/** A connected client library. A method that a library has no call for returns null. */
interface Library extends AutoCloseable {
  /** What CLIENT INFO says. */
  String info() throws Exception;

  List<String> hmget(String key, List<String> fields) throws Exception;

  String hget(String key, String field) throws Exception;

  /** All reads in one pipeline. */
  List<List<String>> pipeline(List<Read> reads) throws Exception;

  /** Returns how many of the fields are new. */
  long hset(String key, Map<String, String> values) throws Exception;

  Map<String, String> hgetall(String key) throws Exception;

  boolean expire(String key, long seconds) throws Exception;

  /** HSET and HMGET in a transaction; returns both answers. */
  List<Object> multi(String key, Map<String, String> values, List<String> fields) throws Exception;

  String eval(String script, String key, String argument) throws Exception;

  /** Subscribes to channel, publishes message and returns what arrives. */
  String receive(String channel, String message) throws Exception;

  long del(String key) throws Exception;
}
