"""Drives a Redis server with redis-cli, as clients/README.md says.

Commands are fed to its standard input; it answers in CSV, a line each.
"""

import json
import re
import shlex
import subprocess
import sys

POOL = 4
SCRIPT = "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')"
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^,]+')


def say(check, got):
    print(json.dumps({"check": check, "got": got}))


def quoted(word):
    """A word as redis-cli reads it."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value(token):
    """What one token of redis-cli's CSV stands for."""
    if token == "NULL":
        return None
    if token.startswith('"'):
        raw = token[1:-1].encode().decode("unicode_escape")
        return raw.encode("latin-1").decode()
    return int(token) if re.fullmatch(r"-?\d+", token) else token


def values(line):
    """What one line of CSV stands for; nested arrays come flat."""
    return [value(token) for token in TOKEN.findall(line)]


class Cli:
    """redis-cli with the options that reach a server."""

    def __init__(self, host, port, mode, protocol):
        # redis-cli's default is RESP2.
        options = ["-3"] if protocol == "3" else []
        if mode == "cluster":
            options.append("-c")
        self.command = ["redis-cli", "-h", host, "-p", port, "--csv", "-e", *options]

    def start(self, commands):
        """Starts a session that is fed commands, lists of words."""
        text = "".join(" ".join(quoted(w) for w in c) + "\n" for c in commands)
        session = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        session.stdin.write(text)
        session.stdin.close()
        return session

    def finish(self, session):
        """Waits for a session's end and returns its lines."""
        out = session.stdout.read()
        if session.wait() != 0 or "ERR" in out:
            sys.exit(f"{shlex.join(self.command)}: {session.returncode}\n{out}")
        return out.splitlines()

    def run(self, *commands):
        return self.finish(self.start(commands))


def check_reads(cli, reads):
    hmgets = [("HMGET", *read) for read in reads]
    say("hmget", [values(line) for line in cli.run(*hmgets)])
    say("hget", [values(line)[0] for line in cli.run(*(("HGET", r[0], r[1]) for r in reads))])
    say("protocol", "\n".join(cli.run(("CLIENT", "INFO"))))
    sessions = [cli.start(hmgets) for _ in range(POOL)]
    say("pool", [[values(line) for line in cli.finish(s)] for s in sessions])


def check_writes(cli, key):
    answers = [
        values(line)
        for line in cli.run(
            ("HSET", key, "a", "1", "b", "2"),
            ("HMGET", key, "a", "b", "c"),
            ("HSET", key, "a", "3"),
            ("HMGET", key, "a", "b", "c"),
            ("HGETALL", key),
            ("EXPIRE", key, "1000"),
            ("MULTI",),
            ("HSET", key, "c", "5"),
            ("HMGET", key, "a", "b", "c"),
            ("EXEC",),
            ("EVAL", SCRIPT, "1", key, "9"),
            ("HMGET", key, "a", "b"),
            ("DEL", key),
            ("HMGET", key, "a", "b", "c"),
        )
    ]
    say("hset", answers[0][0])
    say("hmget after hset", answers[1])
    say("hset again", answers[2][0])
    say("hmget after hset again", answers[3])
    say("hgetall", dict(zip(answers[4][::2], answers[4][1::2])))
    say("expire", answers[5][0])
    say("multi", [answers[9][0], answers[9][1:]])
    say("eval", answers[10][0])
    say("hmget after eval", answers[11])
    say("del", answers[12][0])
    say("hmget after del", answers[13])


def main():
    _, host, port, mode, protocol, file, *key = sys.argv[1:]
    with open(file, encoding="utf-8") as lines:
        reads = [line.rstrip("\n").split("\t") for line in lines]
    version = subprocess.run(["redis-cli", "--version"], capture_output=True, text=True, check=True).stdout
    say("version", version.split()[1])
    cli = Cli(host, port, mode, protocol)
    check_reads(cli, reads)
    say("reconnect", values(cli.run(("HMGET", *reads[0]))[0]))
    if key:
        check_writes(cli, key[0])


if __name__ == "__main__":
    main()
