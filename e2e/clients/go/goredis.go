package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// goRedis is github.com/redis/go-redis.
type goRedis struct{ redis.UniversalClient }

func connectGoRedis(t target) (client, error) {
	protocol := 0 // the library's default
	if t.resp2 {
		protocol = 2
	}
	if t.cluster {
		return goRedis{redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{t.addr}, Protocol: protocol, PoolSize: poolSize})}, nil
	}
	return goRedis{redis.NewClient(&redis.Options{Addr: t.addr, Protocol: protocol, PoolSize: poolSize})}, nil
}

// pointers turns go-redis' values into ours.
func pointers(values []any) ([]value, error) {
	got := make([]value, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
		case string:
			got[i] = &v
		default:
			return nil, fmt.Errorf("value %d is a %T", i, v)
		}
	}
	return got, nil
}

func (c goRedis) info(ctx context.Context) (string, error) {
	return c.Do(ctx, "CLIENT", "INFO").Text()
}

func (c goRedis) hmget(ctx context.Context, key string, fields ...string) ([]value, error) {
	values, err := c.HMGet(ctx, key, fields...).Result()
	if err != nil {
		return nil, err
	}
	return pointers(values)
}

func (c goRedis) hget(ctx context.Context, key, field string) (value, error) {
	v, err := c.HGet(ctx, key, field).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return &v, err
}

func (c goRedis) pipeline(ctx context.Context, reads []hmget) ([][]value, error) {
	commands, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, r := range reads {
			pipe.HMGet(ctx, r.key, r.fields...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var got [][]value
	for _, command := range commands {
		values, err := pointers(command.(*redis.SliceCmd).Val())
		if err != nil {
			return nil, err
		}
		got = append(got, values)
	}
	return got, nil
}

func (c goRedis) hset(ctx context.Context, key string, pairs ...string) (int64, error) {
	return c.HSet(ctx, key, pairs).Result()
}

func (c goRedis) hgetall(ctx context.Context, key string) (map[string]string, error) {
	return c.HGetAll(ctx, key).Result()
}

func (c goRedis) expire(ctx context.Context, key string, after time.Duration) (int64, error) {
	done, err := c.Expire(ctx, key, after).Result()
	if done {
		return 1, err
	}
	return 0, err
}

func (c goRedis) multi(ctx context.Context, key, field, val string, fields ...string) (int64, []value, error) {
	pipe := c.TxPipeline()
	set, get := pipe.HSet(ctx, key, field, val), pipe.HMGet(ctx, key, fields...)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, nil, err
	}
	values, err := pointers(get.Val())
	return set.Val(), values, err
}

func (c goRedis) eval(ctx context.Context, script, key, argument string) (string, error) {
	return c.Eval(ctx, script, []string{key}, argument).Text()
}

func (c goRedis) receive(ctx context.Context, channel, message string) (string, error) {
	subscription := c.Subscribe(ctx, channel)
	defer subscription.Close()
	if _, err := subscription.Receive(ctx); err != nil {
		return "", fmt.Errorf("subscribing: %w", err)
	}
	if err := c.Publish(ctx, channel, message).Err(); err != nil {
		return "", fmt.Errorf("publishing: %w", err)
	}
	got, err := subscription.ReceiveMessage(ctx)
	if err != nil {
		return "", err
	}
	return got.Payload, nil
}

func (c goRedis) del(ctx context.Context, key string) (int64, error) { return c.Del(ctx, key).Result() }

func (c goRedis) close() error { return c.Close() }
