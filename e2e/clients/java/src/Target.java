/** Where to connect to and how. */
record Target(String host, int port, boolean cluster, int protocol) {
  /** Connections of a pool and users of it. */
  static final int POOL = 4;
}
