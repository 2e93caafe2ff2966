package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"
)

// ruei is github.com/redis/rueidis.
type ruei struct {
	rueidis.Client
	cached bool // reads ask for client-side caching
}

func connectRueidis(t target) (client, error) {
	return openRueidis(t, rueidis.ClientOption{DisableCache: true})
}

func connectCachingRueidis(t target) (client, error) {
	return openRueidis(t, rueidis.ClientOption{})
}

func openRueidis(t target, options rueidis.ClientOption) (client, error) {
	options.InitAddress = []string{t.addr}
	// It would find a cluster wherever CLUSTER SLOTS is answered.
	options.ForceSingleClient = !t.cluster
	options.AlwaysRESP2 = t.resp2
	options.BlockingPoolSize = poolSize
	c, err := rueidis.NewClient(options)
	if err != nil {
		return nil, err
	}
	return ruei{c, !options.DisableCache}, nil
}

// values turns an array into ours.
func values(reply rueidis.RedisMessage) ([]value, error) {
	elements, err := reply.ToArray()
	if err != nil {
		return nil, err
	}
	got := make([]value, len(elements))
	for i, e := range elements {
		if e.IsNil() {
			continue
		}
		text, err := e.ToString()
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		got[i] = &text
	}
	return got, nil
}

func (c ruei) info(ctx context.Context) (string, error) {
	return c.Do(ctx, c.B().ClientInfo().Build()).ToString()
}

func (c ruei) hmget(ctx context.Context, key string, fields ...string) ([]value, error) {
	command := c.B().Hmget().Key(key).Field(fields...)
	var result rueidis.RedisResult
	if c.cached {
		result = c.DoCache(ctx, command.Cache(), time.Minute)
	} else {
		result = c.Do(ctx, command.Build())
	}
	reply, err := result.ToMessage()
	if err != nil {
		return nil, err
	}
	return values(reply)
}

func (c ruei) hget(ctx context.Context, key, field string) (value, error) {
	v, err := c.Do(ctx, c.B().Hget().Key(key).Field(field).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	return &v, err
}

func (c ruei) pipeline(ctx context.Context, reads []hmget) ([][]value, error) {
	var commands rueidis.Commands
	for _, r := range reads {
		commands = append(commands, c.B().Hmget().Key(r.key).Field(r.fields...).Build())
	}
	var got [][]value
	for _, result := range c.DoMulti(ctx, commands...) {
		reply, err := result.ToMessage()
		if err != nil {
			return nil, err
		}
		v, err := values(reply)
		if err != nil {
			return nil, err
		}
		got = append(got, v)
	}
	return got, nil
}

func (c ruei) hset(ctx context.Context, key string, pairs ...string) (int64, error) {
	command := c.B().Hset().Key(key).FieldValue()
	for i := 0; i < len(pairs); i += 2 {
		command = command.FieldValue(pairs[i], pairs[i+1])
	}
	return c.Do(ctx, command.Build()).ToInt64()
}

func (c ruei) hgetall(ctx context.Context, key string) (map[string]string, error) {
	return c.Do(ctx, c.B().Hgetall().Key(key).Build()).AsStrMap()
}

func (c ruei) expire(ctx context.Context, key string, after time.Duration) (int64, error) {
	return c.Do(ctx, c.B().Expire().Key(key).Seconds(int64(after/time.Second)).Build()).ToInt64()
}

func (c ruei) multi(ctx context.Context, key, field, val string, fields ...string) (int64, []value, error) {
	var n int64
	var got []value
	err := c.Dedicated(func(d rueidis.DedicatedClient) error {
		// WATCH first: it tells a cluster's client which node this is about.
		if err := d.Do(ctx, d.B().Watch().Key(key).Build()).Error(); err != nil {
			return fmt.Errorf("WATCH: %w", err)
		}
		results := d.DoMulti(ctx,
			d.B().Multi().Build(),
			d.B().Hset().Key(key).FieldValue().FieldValue(field, val).Build(),
			d.B().Hmget().Key(key).Field(fields...).Build(),
			d.B().Exec().Build())
		replies, err := results[len(results)-1].ToArray()
		if err != nil {
			return fmt.Errorf("EXEC: %w", err)
		}
		if n, err = replies[0].ToInt64(); err != nil {
			return err
		}
		got, err = values(replies[1])
		return err
	})
	return n, got, err
}

func (c ruei) eval(ctx context.Context, script, key, argument string) (string, error) {
	return c.Do(ctx, c.B().Eval().Script(script).Numkeys(1).Key(key).Arg(argument).Build()).ToString()
}

func (c ruei) receive(ctx context.Context, channel, message string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	subscribed, received := make(chan struct{}), make(chan string, 1)
	failed := make(chan error, 1)
	d, release := c.Dedicate()
	defer release()
	ended := d.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(rueidis.PubSubSubscription) { close(subscribed) },
		OnMessage:      func(m rueidis.PubSubMessage) { received <- m.Message },
	})
	if err := d.Do(ctx, d.B().Subscribe().Channel(channel).Build()).Error(); err != nil {
		return "", fmt.Errorf("subscribing: %w", err)
	}
	go func() {
		<-subscribed
		failed <- c.Do(ctx, c.B().Publish().Channel(channel).Message(message).Build()).Error()
	}()
	if err := <-failed; err != nil {
		return "", fmt.Errorf("publishing: %w", err)
	}
	select {
	case got := <-received:
		return got, nil
	case err := <-ended:
		return "", fmt.Errorf("the subscription ended: %w", err)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (c ruei) del(ctx context.Context, key string) (int64, error) {
	return c.Do(ctx, c.B().Del().Key(key).Build()).ToInt64()
}

func (c ruei) close() error {
	c.Close()
	return nil
}
