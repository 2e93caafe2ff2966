//! Drives a Redis server with Rust's libraries, as clients/README.md says.

mod fred_library;
mod redis_rs;

use serde_json::{json, Value};
use std::error::Error;

/// Connections of a pool and users of it.
pub const POOL: usize = 4;

pub const SCRIPT: &str =
    "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')";

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What HMGET answers: None where a field is missing.
pub type Values = Vec<Option<String>>;

/// One HMGET of the file of reads.
#[derive(Clone)]
pub struct Read {
    pub key: String,
    pub fields: Vec<String>,
}

/// Where to connect to and what to do there.
pub struct Target {
    pub host: String,
    pub port: u16,
    pub cluster: bool,
    /// Whether to ask for RESP3; RESP2 is the default of both libraries.
    pub resp3: bool,
    pub reads: Vec<Read>,
    pub key: Option<String>,
}

/// Prints one check.
pub fn say(check: &str, got: impl Into<Value>) {
    println!("{}", json!({"check": check, "got": got.into()}));
}

fn load(path: &str) -> Result<Vec<Read>> {
    let text = std::fs::read_to_string(path)?;
    let split = |line: &str| line.split('\t').map(String::from).collect::<Vec<_>>();
    Ok(text
        .lines()
        .map(split)
        .map(|words| Read { key: words[0].clone(), fields: words[1..].to_vec() })
        .collect())
}

/// The version of a dependency, from the file that pins it.
fn version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"\nversion = \"");
    let at = lock.find(&name).expect("a dependency") + name.len();
    lock[at..].split('"').next().unwrap_or_default().to_string()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [client, host, port, mode, protocol, file, key @ ..] = arguments.as_slice() else {
        return Err("usage: drive CLIENT HOST PORT MODE PROTOCOL READS [KEY]".into());
    };
    let target = Target {
        host: host.clone(),
        port: port.parse()?,
        cluster: mode == "cluster",
        resp3: protocol == "3",
        reads: load(file)?,
        key: key.first().cloned(),
    };
    match client.as_str() {
        "redis-rs blocking" => {
            say("version", version("redis"));
            redis_rs::drive(&target)
        }
        "fred" => {
            say("version", version("fred"));
            fred_library::drive(&target)
        }
        _ => Err(format!("no such client: {client}").into()),
    }
}
