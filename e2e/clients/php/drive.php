<?php
// Drives a Redis server with PHP's libraries, as clients/README.md says. Both
// know RESP2 only, in the versions that Debian packages.

const SCRIPT = "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')";

[, $name, $host, $port, $mode, $protocol, $file] = $argv;
$key = $argv[7] ?? null;
$reads = array_map(function ($line) {
    $words = explode("\t", $line);
    return [$words[0], array_slice($words, 1)];
}, file($file, FILE_IGNORE_NEW_LINES));

function say($check, $got)
{
    if ($got === null) {
        return; // the library has no call for it
    }
    $line = json_encode(['check' => $check, 'got' => $got], JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    echo $line, "\n";
}

/** What the two libraries have in common. */
interface Library
{
    public function info();
    public function hmget($key, $fields);
    public function hget($key, $field);
    public function pipeline($reads);
    public function hset($key, $values);
    public function hgetall($key);
    public function expire($key, $seconds);
    public function multi($key, $values, $fields);
    public function evaluate($script, $key, $argument);
    public function receive($channel, $message);
    public function del($key);
    public function close();
}

/** phpredis, the extension. */
class PhpRedis implements Library
{
    private $redis;
    private $cluster;
    private $target;

    public function __construct($host, $port, $cluster)
    {
        $this->target = [$host, $port, $cluster];
        $this->cluster = $cluster;
        if ($cluster) {
            $this->redis = new RedisCluster(null, ["$host:$port"]);
        } else {
            $this->redis = new Redis();
            $this->redis->connect($host, (int) $port);
        }
    }

    /** Its answers are by field, false where the field is missing. */
    private static function values($answer)
    {
        return array_map(fn ($v) => $v === false ? null : $v, array_values($answer));
    }

    public function info()
    {
        return $this->cluster
            ? $this->redis->rawCommand('any key', 'CLIENT', 'INFO')
            : $this->redis->rawCommand('CLIENT', 'INFO');
    }

    public function hmget($key, $fields)
    {
        return self::values($this->redis->hMGet($key, $fields));
    }

    public function hget($key, $field)
    {
        $value = $this->redis->hGet($key, $field);
        return $value === false ? null : $value;
    }

    public function pipeline($reads)
    {
        if (!$this->redis instanceof Redis) {
            return null; // a cluster's client has none
        }
        $pipe = $this->redis->multi(Redis::PIPELINE);
        foreach ($reads as [$key, $fields]) {
            $pipe->hMGet($key, $fields);
        }
        return array_map([self::class, 'values'], $pipe->exec());
    }

    public function hset($key, $values)
    {
        $added = 0;
        foreach ($values as $field => $value) {
            $added += $this->redis->hSet($key, $field, $value);
        }
        return $added;
    }

    public function hgetall($key)
    {
        return $this->redis->hGetAll($key);
    }

    public function expire($key, $seconds)
    {
        return (int) $this->redis->expire($key, $seconds);
    }

    public function multi($key, $values, $fields)
    {
        $this->redis->multi();
        foreach ($values as $field => $value) {
            $this->redis->hSet($key, $field, $value);
        }
        $this->redis->hMGet($key, $fields);
        [$added, $answer] = $this->redis->exec();
        return [$added, self::values($answer)];
    }

    public function evaluate($script, $key, $argument)
    {
        return $this->redis->eval($script, [$key, $argument], 1);
    }

    public function receive($channel, $message)
    {
        // It subscribes until the connection ends, so a child publishes.
        $child = pcntl_fork();
        if ($child === 0) {
            $publisher = new self(...$this->target);
            while ($publisher->redis->publish($channel, $message) === 0) {
                usleep(10_000); // until somebody listens
            }
            posix_kill(getmypid(), SIGKILL); // without the parent's shutdown
        }
        $subscriber = new self(...$this->target);
        $got = null;
        try {
            $subscriber->redis->subscribe([$channel], function ($redis, $channel, $text) use (&$got) {
                $got = $text;
                $redis->close(); // nothing less ends its loop at once
            });
        } catch (RedisException $e) {
            if ($got === null) {
                throw $e;
            }
        }
        pcntl_waitpid($child, $status);
        return $got;
    }

    public function del($key)
    {
        return $this->redis->del($key);
    }

    public function close()
    {
        $this->redis->close();
    }
}

/** predis, in PHP. */
class PredisLibrary implements Library
{
    private $redis;
    private $connect;

    public function __construct($host, $port, $cluster)
    {
        $address = "tcp://$host:$port";
        $this->connect = fn () => $cluster
            ? new Predis\Client([$address], ['cluster' => 'redis'])
            : new Predis\Client($address . '?read_write_timeout=10');
        $this->redis = ($this->connect)();
    }

    public function info()
    {
        $command = Predis\Command\RawCommand::create('CLIENT', 'INFO');
        $connection = $this->redis->getConnection();
        if ($connection instanceof Predis\Connection\Aggregate\ClusterInterface) {
            $connection = $connection->getConnectionBySlot(0);
        }
        return $connection->executeCommand($command);
    }

    public function hmget($key, $fields)
    {
        return $this->redis->hmget($key, $fields);
    }

    public function hget($key, $field)
    {
        return $this->redis->hget($key, $field);
    }

    public function pipeline($reads)
    {
        return $this->redis->pipeline(function ($pipe) use ($reads) {
            foreach ($reads as [$key, $fields]) {
                $pipe->hmget($key, $fields);
            }
        });
    }

    public function hset($key, $values)
    {
        $added = 0;
        foreach ($values as $field => $value) {
            $added += $this->redis->hset($key, $field, $value);
        }
        return $added;
    }

    public function hgetall($key)
    {
        return $this->redis->hgetall($key);
    }

    public function expire($key, $seconds)
    {
        return (int) $this->redis->expire($key, $seconds);
    }

    public function multi($key, $values, $fields)
    {
        try {
            return $this->redis->transaction(function ($tx) use ($key, $values, $fields) {
                foreach ($values as $field => $value) {
                    $tx->hset($key, $field, $value);
                }
                $tx->hmget($key, $fields);
            });
        } catch (Predis\NotSupportedException) {
            return null; // a cluster's client has none
        }
    }

    public function evaluate($script, $key, $argument)
    {
        return $this->redis->eval($script, 1, $key, $argument);
    }

    public function receive($channel, $message)
    {
        try {
            $loop = ($this->connect)()->pubSubLoop();
        } catch (Predis\NotSupportedException) {
            return null; // a cluster's client has none
        }
        $loop->subscribe($channel);
        foreach ($loop as $event) {
            if ($event->kind === 'subscribe') {
                $this->redis->publish($channel, $message);
            }
            if ($event->kind === 'message') {
                $loop->stop(true);
                return $event->payload;
            }
        }
    }

    public function del($key)
    {
        return $this->redis->del([$key]);
    }

    public function close()
    {
        $this->redis->disconnect();
    }
}

function connection(): Library
{
    global $name, $host, $port, $mode;
    if ($name === 'phpredis') {
        return new PhpRedis($host, $port, $mode === 'cluster');
    }
    require_once 'Predis/autoload.php';
    return new PredisLibrary($host, $port, $mode === 'cluster');
}

function version()
{
    global $name;
    return $name === 'phpredis' ? phpversion('redis') : Predis\Client::VERSION;
}

function checkReads(Library $client, $reads)
{
    say('hmget', array_map(fn ($read) => $client->hmget(...$read), $reads));
    say('hget', array_map(fn ($read) => $client->hget($read[0], $read[1][0]), $reads));
    say('protocol', $client->info());
    say('pipeline', $client->pipeline($reads));

    // No threads: four connections, used in turn.
    $pool = array_map(fn () => connection(), range(1, 4));
    $answers = [];
    foreach ($reads as $read) {
        foreach ($pool as $i => $member) {
            $answers[$i][] = $member->hmget(...$read);
        }
    }
    say('pool', $answers);
    foreach ($pool as $member) {
        $member->close();
    }
}

function checkWrites(Library $client, $key)
{
    say('hset', $client->hset($key, ['a' => '1', 'b' => '2']));
    say('hmget after hset', $client->hmget($key, ['a', 'b', 'c']));
    say('hset again', $client->hset($key, ['a' => '3']));
    say('hmget after hset again', $client->hmget($key, ['a', 'b', 'c']));
    say('hgetall', $client->hgetall($key));
    say('expire', $client->expire($key, 1000));
    say('multi', $client->multi($key, ['c' => '5'], ['a', 'b', 'c']));
    say('eval', $client->evaluate(SCRIPT, $key, '9'));
    say('hmget after eval', $client->hmget($key, ['a', 'b']));
    say('pubsub', $client->receive($key, 'hello'));
    say('del', $client->del($key));
    say('hmget after del', $client->hmget($key, ['a', 'b', 'c']));
}

$client = connection();
say('version', version());
checkReads($client, $reads);
$client->close();
$client = connection();
say('reconnect', $client->hmget(...$reads[0]));
if ($key !== null) {
    checkWrites($client, $key);
}
$client->close();
