import java.util.List;

/** One HMGET of the file of reads. */
record Read(String key, List<String> fields) {
  static Read of(String line) {
    List<String> words = List.of(line.split("\t"));
    return new Read(words.get(0), words.subList(1, words.size()));
  }
}
