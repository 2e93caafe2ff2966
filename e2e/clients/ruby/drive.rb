# Drives a Redis server with redis-rb, as clients/README.md says.

require "connection_pool"
require "json"
require "redis"

POOL = 4
SCRIPT = "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')"

_name, host, port, mode, _protocol, file, key = ARGV
CLUSTER = mode == "cluster"
OPTIONS = CLUSTER ? { cluster: ["redis://#{host}:#{port}"] } : { host: host, port: port.to_i }
READS = File.readlines(file, chomp: true).map { |line| line.split("\t") }.map { |entity, *fields| [entity, fields] }

def say(check, got)
  puts JSON.generate("check" => check, "got" => got)
end

def read_all(redis)
  READS.map { |entity, fields| redis.hmget(entity, *fields) }
end

def pooled
  pool = ConnectionPool.new(size: POOL) { Redis.new(**OPTIONS) }
  answers = Array.new(POOL) { Thread.new { pool.with { |redis| read_all(redis) } } }.map(&:value)
  pool.shutdown(&:close)
  answers
end

def check_reads(redis)
  say "hmget", read_all(redis)
  say "hget", (READS.map { |entity, fields| redis.hget(entity, fields[0]) })
  # Redis#call sends what it is given; a cluster's client sends it to any node.
  say "protocol", redis.call([:client, "INFO"])
  say "pipeline", (redis.pipelined { |pipe| READS.each { |entity, fields| pipe.hmget(entity, *fields) } })
  say "pool", pooled
end

def receive(redis, channel, message)
  got = nil
  subscriber = Redis.new(**OPTIONS)
  subscriber.subscribe(channel) do |on|
    on.subscribe { redis.publish(channel, message) }
    on.message do |_, text|
      got = text
      subscriber.unsubscribe(channel)
    end
  end
  subscriber.close
  got
end

def check_writes(redis, key)
  say "hset", redis.hset(key, "a", "1", "b", "2")
  say "hmget after hset", redis.hmget(key, "a", "b", "c")
  say "hset again", redis.hset(key, "a", "3")
  say "hmget after hset again", redis.hmget(key, "a", "b", "c")
  say "hgetall", redis.hgetall(key)
  say "expire", redis.expire(key, 1000) ? 1 : 0
  multi = redis.multi do |m|
    m.hset(key, "c", "5")
    m.hmget(key, "a", "b", "c")
  end
  say "multi", multi
  say "eval", redis.eval(SCRIPT, [key], ["9"])
  say "hmget after eval", redis.hmget(key, "a", "b")
  say "pubsub", receive(redis, key, "hello")
  say "del", redis.del(key)
  say "hmget after del", redis.hmget(key, "a", "b", "c")
end

say "version", Redis::VERSION
redis = Redis.new(**OPTIONS)
check_reads(redis)
redis.close
redis = Redis.new(**OPTIONS)
say "reconnect", redis.hmget(READS[0][0], *READS[0][1])
check_writes(redis, key) if key
redis.close
