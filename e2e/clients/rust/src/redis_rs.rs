//! redis-rs, blocking, with r2d2 as its pool.

use crate::{say, Read, Result, Target, Values, POOL, SCRIPT};
use redis::cluster::{cluster_pipe, ClusterClient, ClusterConnection};
use redis::{Client, Commands, Connection, ConnectionLike, ProtocolVersion};
use serde_json::json;
use std::collections::HashMap;
use std::thread;

/// What differs between a node's connection and a cluster's.
trait Library: ConnectionLike + Commands + Sized {
    fn pipeline(&mut self, reads: &[Read]) -> Result<Vec<Values>>;
    /// HSET and HMGET in a transaction; None where there is no call for it.
    fn multi(&mut self, key: &str, fields: &[&str]) -> Result<Option<(i64, Values)>>;
    /// Subscribes, publishes and returns what arrives; None where there is no
    /// call for it.
    fn receive(target: &Target, publisher: &mut Self, channel: &str) -> Result<Option<String>>;
}

impl Library for Connection {
    fn pipeline(&mut self, reads: &[Read]) -> Result<Vec<Values>> {
        let mut pipe = redis::pipe();
        for read in reads {
            pipe.hmget(&read.key, &read.fields);
        }
        Ok(pipe.query(self)?)
    }

    fn multi(&mut self, key: &str, fields: &[&str]) -> Result<Option<(i64, Values)>> {
        let mut transaction = redis::pipe();
        transaction.atomic().hset(key, "c", "5").hmget(key, fields);
        Ok(Some(transaction.query(self)?))
    }

    fn receive(target: &Target, publisher: &mut Self, channel: &str) -> Result<Option<String>> {
        let mut connection = single(target)?.get_connection()?;
        let mut subscriber = connection.as_pubsub();
        subscriber.subscribe(channel)?;
        let _: i64 = publisher.publish(channel, "hello")?;
        Ok(Some(subscriber.get_message()?.get_payload()?))
    }
}

impl Library for ClusterConnection {
    fn pipeline(&mut self, reads: &[Read]) -> Result<Vec<Values>> {
        let mut pipe = cluster_pipe();
        for read in reads {
            pipe.hmget(&read.key, &read.fields);
        }
        Ok(pipe.query(self)?)
    }

    fn multi(&mut self, _: &str, _: &[&str]) -> Result<Option<(i64, Values)>> {
        Ok(None)
    }

    fn receive(_: &Target, _: &mut Self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

fn url(target: &Target) -> String {
    let protocol = if target.resp3 { "?protocol=resp3" } else { "" };
    format!("redis://{}:{}/{protocol}", target.host, target.port)
}

fn single(target: &Target) -> Result<Client> {
    Ok(Client::open(url(target))?)
}

fn cluster(target: &Target) -> Result<ClusterClient> {
    let builder = ClusterClient::builder([format!("redis://{}:{}", target.host, target.port)]);
    Ok(if target.resp3 { builder.use_protocol(ProtocolVersion::RESP3).build()? } else { builder.build()? })
}

fn read_all(connection: &mut impl Library, reads: &[Read]) -> Result<Vec<Values>> {
    reads.iter().map(|read| Ok(connection.hmget(&read.key, &read.fields)?)).collect()
}

/// Four threads, each with a connection of the pool.
fn pooled<M>(manager: M, reads: &[Read]) -> Result<Vec<Vec<Values>>>
where
    M: r2d2::ManageConnection,
    M::Connection: Library,
{
    let pool = r2d2::Pool::builder().max_size(POOL as u32).build(manager)?;
    thread::scope(|scope| {
        let users: Vec<_> =
            (0..POOL).map(|_| scope.spawn(|| read_all(&mut *pool.get()?, reads))).collect();
        users.into_iter().map(|user| user.join().expect("a user of the pool")).collect()
    })
}

fn check_reads(connection: &mut impl Library, reads: &[Read]) -> Result<()> {
    say("hmget", json!(read_all(connection, reads)?));
    let hgets: Result<Values> =
        reads.iter().map(|read| Ok(connection.hget(&read.key, &read.fields[0])?)).collect();
    say("hget", json!(hgets?));
    let info: String = redis::cmd("CLIENT").arg("INFO").query(connection)?;
    say("protocol", info);
    say("pipeline", json!(connection.pipeline(reads)?));
    Ok(())
}

fn check_writes<C: Library>(target: &Target, connection: &mut C, key: &str) -> Result<()> {
    let abc = ["a", "b", "c"];
    // hset_multiple would send HMSET, which answers with OK.
    let hset: i64 = redis::cmd("HSET").arg(key).arg(&["a", "1", "b", "2"]).query(connection)?;
    say("hset", hset);
    say("hmget after hset", json!(connection.hmget::<_, _, Values>(key, &abc)?));
    say("hset again", connection.hset::<_, _, _, i64>(key, "a", "3")?);
    say("hmget after hset again", json!(connection.hmget::<_, _, Values>(key, &abc)?));
    say("hgetall", json!(connection.hgetall::<_, HashMap<String, String>>(key)?));
    say("expire", connection.expire::<_, i64>(key, 1000)?);
    if let Some(answers) = connection.multi(key, &abc)? {
        say("multi", json!(answers));
    }
    let eval: String =
        redis::cmd("EVAL").arg(SCRIPT).arg(1).arg(key).arg("9").query(connection)?;
    say("eval", eval);
    say("hmget after eval", json!(connection.hmget::<_, _, Values>(key, &abc[..2])?));
    if let Some(message) = C::receive(target, connection, key)? {
        say("pubsub", message);
    }
    say("del", connection.del::<_, i64>(key)?);
    say("hmget after del", json!(connection.hmget::<_, _, Values>(key, &abc)?));
    Ok(())
}

fn drive_with<M>(target: &Target, connect: impl Fn() -> Result<M::Connection>, manager: M) -> Result<()>
where
    M: r2d2::ManageConnection,
    M::Connection: Library,
{
    let mut connection = connect()?;
    check_reads(&mut connection, &target.reads)?;
    drop(connection);
    say("pool", json!(pooled(manager, &target.reads)?));
    let mut connection = connect()?;
    let first = &target.reads[0];
    say("reconnect", json!(connection.hmget::<_, _, Values>(&first.key, &first.fields)?));
    match &target.key {
        Some(key) => check_writes(target, &mut connection, key),
        None => Ok(()),
    }
}

pub fn drive(target: &Target) -> Result<()> {
    if target.cluster {
        let client = cluster(target)?;
        drive_with(target, || Ok(client.get_connection()?), client.clone())
    } else {
        let client = single(target)?;
        drive_with(target, || Ok(client.get_connection()?), client.clone())
    }
}
