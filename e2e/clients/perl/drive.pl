#!/usr/bin/perl
# Drives a Redis server with Redis.pm, as clients/README.md says. It knows
# RESP2 and no clusters.

use strict;
use warnings;

use JSON::PP;
use Redis;

my ($name, $host, $port, $mode, $protocol, $file, $key) = @ARGV;
my $json   = JSON::PP->new->canonical->allow_nonref;    # bytes in, bytes out
my $script = q{redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')};

sub say_check {
	my ($check, $got) = @_;
	print $json->encode({ check => $check, got => $got }), "\n";
	return;
}

sub number { return 0 + shift }

sub connection { return Redis->new(server => "$host:$port") }

open my $lines, '<', $file or die "$file: $!\n";
my @reads = map { chomp; [split /\t/] } <$lines>;
close $lines;

sub read_all {
	my $redis = shift;
	return [map { [$redis->hmget(@$_)] } @reads];
}

sub check_reads {
	my $redis = shift;
	say_check('hmget',    read_all($redis));
	say_check('hget',     [map { scalar $redis->hget($_->[0], $_->[1]) } @reads]);
	say_check('protocol', scalar $redis->client_info);

	my @piped;
	for my $i (0 .. $#reads) {
		$redis->hmget(@{ $reads[$i] }, sub {
			my ($reply, $error) = @_;
			die "HMGET: $error\n" if defined $error;
			$piped[$i] = $reply;
		});
	}
	$redis->wait_all_responses;
	say_check('pipeline', \@piped);

	# No threads: four connections, used in turn.
	my @pool = map { connection() } 1 .. 4;
	my @pooled;
	for my $read (@reads) {
		push @{ $pooled[$_] }, [$pool[$_]->hmget(@$read)] for 0 .. $#pool;
	}
	say_check('pool', \@pooled);
	$_->quit for @pool;
	return;
}

sub receive {
	my ($redis, $channel, $message) = @_;
	my $subscriber = connection();
	my $got;
	$subscriber->subscribe($channel, sub { $got = shift });
	$redis->publish($channel, $message);
	# It waits for its whole time, in seconds, even when a message has come.
	for (1 .. 100) {
		last if defined $got;
		$subscriber->wait_for_messages(0.1);
	}
	$subscriber->quit;
	return $got;
}

sub check_writes {
	my $redis = shift;
	say_check('hset',                   number($redis->hset($key, a => 1, b => 2)));
	say_check('hmget after hset',       [$redis->hmget($key, qw(a b c))]);
	say_check('hset again',             number($redis->hset($key, a => 3)));
	say_check('hmget after hset again', [$redis->hmget($key, qw(a b c))]);
	say_check('hgetall',                { $redis->hgetall($key) });
	say_check('expire',                 number($redis->expire($key, 1000)));
	$redis->multi;
	$redis->hset($key, c => 5);
	$redis->hmget($key, qw(a b c));
	my @multi = $redis->exec;
	say_check('multi',            [number($multi[0]), $multi[1]]);
	say_check('eval',             scalar $redis->eval($script, 1, $key, 9));
	say_check('hmget after eval', [$redis->hmget($key, qw(a b))]);
	say_check('pubsub',           receive($redis, $key, 'hello'));
	say_check('del',              number($redis->del($key)));
	say_check('hmget after del',  [$redis->hmget($key, qw(a b c))]);
	return;
}

say_check('version', "$Redis::VERSION");
my $redis = connection();
check_reads($redis);
$redis->quit;
$redis = connection();
say_check('reconnect', [$redis->hmget(@{ $reads[0] })]);
check_writes($redis) if defined $key;
$redis->quit;
