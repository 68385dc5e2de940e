//! Frames to the parent on standard output, commands from it on standard input (PROTOCOL.md).

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::exclusions::Exclusion;

pub fn send(kind: u8, payload: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&(payload.len() as u32 + 1).to_le_bytes())?;
    out.write_all(&[kind])?;
    out.write_all(payload)?;
    out.flush()
}

pub fn send_json(kind: u8, value: &Value) -> io::Result<()> {
    send(kind, value.to_string().as_bytes())
}

pub const HELLO: u8 = 1;
pub const WINDOW: u8 = 2;
pub const STATS: u8 = 3;
const LOG: u8 = 4;

pub fn log(level: &str, message: &str) -> io::Result<()> {
    send_json(LOG, &json!({ "level": level, "message": message }))
}

#[derive(Debug, PartialEq)]
pub enum Command {
    Stop,
    Rate(u64),
    Exclude(Exclusion),
}

/// Reads what the parent wrote without waiting. The end of the input means that the parent is gone.
#[derive(Default)]
pub struct Commands {
    rest: Vec<u8>,
}

impl Commands {
    pub fn read(&mut self) -> Vec<Command> {
        let mut buffer = [0u8; 4096];
        // SAFETY: reads at most the buffer's length into it; poll said that the descriptor is readable.
        let count = unsafe { libc::read(0, buffer.as_mut_ptr().cast(), buffer.len()) };
        if count <= 0 {
            return vec![Command::Stop];
        }
        self.rest.extend_from_slice(&buffer[..count as usize]);
        let mut commands = Vec::new();
        while let Some(end) = self.rest.iter().position(|&b| b == b'\n') {
            commands.extend(parse(&self.rest[..end]));
            self.rest.drain(..=end);
        }
        if self.rest.len() > 65_536 {
            self.rest.clear();
        }
        commands
    }
}

fn parse(line: &[u8]) -> Option<Command> {
    let value: Value = serde_json::from_slice(line).ok()?;
    if value["stop"] == true {
        return Some(Command::Stop);
    }
    if value["exclude"].is_object() || value["include"].is_object() {
        return Some(Command::Exclude(Exclusion::parse(&value["exclude"], &value["include"])));
    }
    value["rateHz"].as_u64().filter(|rate| (1..=9999).contains(rate)).map(Command::Rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands_and_passes_over_the_rest() {
        assert_eq!(parse(br#"{"stop":true}"#), Some(Command::Stop));
        assert_eq!(parse(br#"{"rateHz":49}"#), Some(Command::Rate(49)));
        assert_eq!(parse(br#"{"rateHz":0}"#), None);
        assert!(matches!(parse(br#"{"include":{"v2":["1"]}}"#), Some(Command::Exclude(change)) if change.remove.len() == 1));
        assert_eq!(parse(br#"{"exclude":[]}"#), None);
        assert_eq!(parse(b"{"), None);
    }
}
