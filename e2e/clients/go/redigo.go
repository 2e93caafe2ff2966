package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"
)

// redigo is github.com/gomodule/redigo, which knows RESP2 and no clusters.
type redigo struct{ *redis.Pool }

func connectRedigo(t target) (client, error) {
	return redigo{&redis.Pool{
		MaxIdle:   poolSize,
		MaxActive: poolSize,
		Wait:      true,
		Dial:      func() (redis.Conn, error) { return redis.Dial("tcp", t.addr) },
	}}, nil
}

// do sends one command on a connection of the pool.
func (c redigo) do(command string, args ...any) (any, error) {
	conn := c.Get()
	defer conn.Close()
	return conn.Do(command, args...)
}

// bulks turns an array into ours.
func bulks(reply any, err error) ([]value, error) {
	elements, err := redis.Values(reply, err)
	if err != nil {
		return nil, err
	}
	got := make([]value, len(elements))
	for i, e := range elements {
		if e == nil {
			continue
		}
		text, err := redis.String(e, nil)
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		got[i] = &text
	}
	return got, nil
}

func (c redigo) info(context.Context) (string, error) { return redis.String(c.do("CLIENT", "INFO")) }

func (c redigo) hmget(_ context.Context, key string, fields ...string) ([]value, error) {
	return bulks(c.do("HMGET", redis.Args{key}.AddFlat(fields)...))
}

func (c redigo) hget(_ context.Context, key, field string) (value, error) {
	v, err := redis.String(c.do("HGET", key, field))
	if errors.Is(err, redis.ErrNil) {
		return nil, nil
	}
	return &v, err
}

func (c redigo) pipeline(_ context.Context, reads []hmget) ([][]value, error) {
	conn := c.Get()
	defer conn.Close()
	for _, r := range reads {
		if err := conn.Send("HMGET", redis.Args{r.key}.AddFlat(r.fields)...); err != nil {
			return nil, err
		}
	}
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	var got [][]value
	for range reads {
		v, err := bulks(conn.Receive())
		if err != nil {
			return nil, err
		}
		got = append(got, v)
	}
	return got, nil
}

func (c redigo) hset(_ context.Context, key string, pairs ...string) (int64, error) {
	return redis.Int64(c.do("HSET", redis.Args{key}.AddFlat(pairs)...))
}

func (c redigo) hgetall(_ context.Context, key string) (map[string]string, error) {
	return redis.StringMap(c.do("HGETALL", key))
}

func (c redigo) expire(_ context.Context, key string, after time.Duration) (int64, error) {
	return redis.Int64(c.do("EXPIRE", key, int64(after/time.Second)))
}

func (c redigo) multi(_ context.Context, key, field, val string, fields ...string) (int64, []value, error) {
	conn := c.Get()
	defer conn.Close()
	err := errors.Join(
		conn.Send("MULTI"),
		conn.Send("HSET", key, field, val),
		conn.Send("HMGET", redis.Args{key}.AddFlat(fields)...))
	if err != nil {
		return 0, nil, err
	}
	replies, err := redis.Values(conn.Do("EXEC"))
	if err != nil {
		return 0, nil, err
	}
	n, err := redis.Int64(replies[0], nil)
	if err != nil {
		return 0, nil, err
	}
	got, err := bulks(replies[1], nil)
	return n, got, err
}

func (c redigo) eval(_ context.Context, script, key, argument string) (string, error) {
	return redis.String(c.do("EVAL", script, 1, key, argument))
}

func (c redigo) receive(ctx context.Context, channel, message string) (string, error) {
	subscription := redis.PubSubConn{Conn: c.Get()}
	defer subscription.Close()
	if err := subscription.Subscribe(channel); err != nil {
		return "", fmt.Errorf("subscribing: %w", err)
	}
	for {
		switch got := subscription.ReceiveContext(ctx).(type) {
		case redis.Subscription:
			if _, err := c.do("PUBLISH", channel, message); err != nil {
				return "", fmt.Errorf("publishing: %w", err)
			}
		case redis.Message:
			return string(got.Data), nil
		case error:
			return "", got
		}
	}
}

func (c redigo) del(_ context.Context, key string) (int64, error) {
	return redis.Int64(c.do("DEL", key))
}

func (c redigo) close() error { return c.Close() }
