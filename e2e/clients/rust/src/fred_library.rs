//! fred, asynchronous, with its own pool.

use crate::{say, Read, Result, Target, Values, POOL, SCRIPT};
use fred::prelude::*;
use fred::types::RespVersion;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

fn builder(target: &Target) -> Result<Builder> {
    let scheme = if target.cluster { "redis-cluster" } else { "redis" };
    let mut config = Config::from_url(&format!("{scheme}://{}:{}", target.host, target.port))?;
    if target.resp3 {
        config.version = RespVersion::RESP3;
    }
    Ok(Builder::from_config(config))
}

async fn connect(target: &Target) -> Result<Client> {
    let client = builder(target)?.build()?;
    client.init().await?;
    Ok(client)
}

async fn hmget<C: HashesInterface>(client: &C, read: &Read) -> Result<Values> {
    Ok(client.hmget(read.key.as_str(), read.fields.clone()).await?)
}

async fn read_all<C: HashesInterface>(client: &C, reads: &[Read]) -> Result<Vec<Values>> {
    let mut answers = Vec::new();
    for read in reads {
        answers.push(hmget(client, read).await?);
    }
    Ok(answers)
}

async fn pooled(target: &Target) -> Result<Vec<Vec<Values>>> {
    let pool = builder(target)?.build_pool(POOL)?;
    pool.init().await?;
    let mut users = Vec::new();
    for _ in 0..POOL {
        let (pool, reads) = (pool.clone(), target.reads.clone());
        users.push(tokio::spawn(async move { read_all(&pool, &reads).await }));
    }
    let mut answers = Vec::new();
    for user in users {
        answers.push(user.await??);
    }
    pool.quit().await?;
    Ok(answers)
}

async fn check_reads(client: &Client, target: &Target) -> Result<()> {
    let reads = &target.reads;
    say("hmget", json!(read_all(client, reads).await?));
    let mut hgets = Values::new();
    for read in reads {
        hgets.push(client.hget(read.key.as_str(), read.fields[0].as_str()).await?);
    }
    say("hget", json!(hgets));
    say("protocol", client.client_info::<String>().await?);
    let pipe = client.pipeline();
    for read in reads {
        let _: () = pipe.hmget(read.key.as_str(), read.fields.clone()).await?;
    }
    say("pipeline", json!(pipe.all::<Vec<Values>>().await?));
    say("pool", json!(pooled(target).await?));
    Ok(())
}

async fn check_writes(client: &Client, target: &Target, key: &str) -> Result<()> {
    let abc = vec!["a", "b", "c"];
    say("hset", client.hset::<i64, _, _>(key, vec![("a", "1"), ("b", "2")]).await?);
    say("hmget after hset", json!(client.hmget::<Values, _, _>(key, abc.clone()).await?));
    say("hset again", client.hset::<i64, _, _>(key, ("a", "3")).await?);
    say("hmget after hset again", json!(client.hmget::<Values, _, _>(key, abc.clone()).await?));
    say("hgetall", json!(client.hgetall::<HashMap<String, String>, _>(key).await?));
    say("expire", client.expire::<i64, _>(key, 1000, None).await?);
    let transaction = client.multi();
    let _: () = transaction.hset(key, ("c", "5")).await?;
    let _: () = transaction.hmget(key, abc.clone()).await?;
    say("multi", json!(transaction.exec::<(i64, Values)>(true).await?));
    say("eval", client.eval::<String, _, _, _>(SCRIPT, key, "9").await?);
    say("hmget after eval", json!(client.hmget::<Values, _, _>(key, vec!["a", "b"]).await?));
    say("pubsub", receive(client, target, key).await?);
    say("del", client.del::<i64, _>(key).await?);
    say("hmget after del", json!(client.hmget::<Values, _, _>(key, abc).await?));
    Ok(())
}

async fn receive(client: &Client, target: &Target, channel: &str) -> Result<String> {
    let subscriber = builder(target)?.build_subscriber_client()?;
    subscriber.init().await?;
    let mut messages = subscriber.message_rx();
    subscriber.subscribe(channel).await?;
    // Its subscribe does not wait until the server has confirmed, so that the
    // first messages may come too early.
    let message = loop {
        let _: i64 = client.publish(channel, "hello").await?;
        if let Ok(message) = timeout(Duration::from_millis(100), messages.recv()).await {
            break message?;
        }
    };
    subscriber.quit().await?;
    Ok(message.value.convert()?)
}

#[tokio::main(flavor = "current_thread")]
pub async fn drive(target: &Target) -> Result<()> {
    let client = connect(target).await?;
    check_reads(&client, target).await?;
    client.quit().await?;
    let client = connect(target).await?;
    say("reconnect", json!(hmget(&client, &target.reads[0]).await?));
    if let Some(key) = &target.key {
        check_writes(&client, target, key).await?;
    }
    client.quit().await?;
    Ok(())
}
