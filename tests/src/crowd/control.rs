//! A node's control socket, without a program in between.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// A standing JSON-RPC connection to a running node, which is asked one thing at a time.
pub struct Control {
    lines: BufReader<UnixStream>,
    asked: u64,
}

impl Control {
    /// # Errors
    /// When no node runs this profile.
    pub fn connect(profile: &Path) -> Result<Control, String> {
        let socket = profile.join("control.sock");
        let stream =
            UnixStream::connect(&socket).map_err(|error| format!("{}: {error}", socket.display()))?;
        stream.set_read_timeout(Some(ANSWER)).map_err(|error| error.to_string())?;
        Ok(Control { lines: BufReader::new(stream), asked: 0 })
    }

    /// Carries out one command; what the answer holds.
    ///
    /// # Errors
    /// What the node says against it, or that it is gone or does not answer.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.ask(method, params)?;
        let id = self.asked;
        let mut answer = self.read_until(|line| line["id"] == id)?;
        if let Some(error) = answer.get("error") {
            return Err(format!("{method}: {error}"));
        }
        Ok(answer["result"]["value"].take())
    }

    /// Asks without waiting for the answer.
    ///
    /// # Errors
    /// When the node is gone.
    pub fn ask(&mut self, method: &str, params: &Value) -> Result<(), String> {
        self.asked += 1;
        let line = json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params });
        writeln!(self.lines.get_mut(), "{line}").map_err(|error| format!("{method}: {error}"))
    }

    /// The next line that fits; what comes before it is passed over.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn read_until(&mut self, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
        loop {
            let mut line = String::new();
            match self.lines.read_line(&mut line) {
                Ok(0) => return Err("the node is gone".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(format!("no answer: {error}")),
            }
            let line: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
            if fits(&line) {
                return Ok(line);
            }
        }
    }

    /// Writes a message; once this is back, it is on disk.
    ///
    /// # Errors
    /// As [`Control::call`].
    pub fn say(&mut self, to: &str, text: &str) -> Result<Value, String> {
        self.call("say", &json!({ "to": to, "text": text }))
    }

    /// Everything that was said there, oldest first.
    ///
    /// # Errors
    /// As [`Control::call`].
    pub fn log(&mut self, to: &str) -> Result<Vec<Value>, String> {
        let mut pages = Vec::new();
        let mut before = Value::Null;
        loop {
            let mut page = self.call("log", &json!({ "to": to, "before": before, "limit": PAGE }))?;
            let Value::Array(messages) = page["messages"].take() else {
                return Err(format!("no page of {to}: {page}"));
            };
            before = messages.first().map(|first| first["cursor"].clone()).unwrap_or_default();
            pages.push(messages);
            if page["more"] != true {
                return Ok(pages.into_iter().rev().flatten().collect());
            }
        }
    }

    /// The newest messages there, oldest first; 500 at the most.
    ///
    /// # Errors
    /// As [`Control::call`].
    pub fn newest(&mut self, to: &str, limit: u32) -> Result<Vec<Value>, String> {
        let mut page = self.call("log", &json!({ "to": to, "limit": limit }))?;
        match page["messages"].take() {
            Value::Array(messages) => Ok(messages),
            other => Err(format!("no page of {to}: {other}")),
        }
    }
}

/// Far beyond what a command takes, even where fifty nodes share two cores.
const ANSWER: Duration = Duration::from_secs(60);

/// The longest page that the API gives.
const PAGE: u32 = 500;
