//! The lines of the control socket: JSON-RPC 2.0 requests, answers and notifications.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::present::Presented;
use crate::api::{ApiError, Command, ErrorCode, Event, Reply, Saying};
use crate::says;

/// The longest request; a message is 16 times smaller.
pub(super) const REQUEST_LINE: usize = 1 << 20;

/// The longest answer that a client reads: a page of 500 of the longest messages.
pub(super) const ANSWER_LINE: usize = 64 << 20;

/// What a line asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Ask {
    Subscribe,
    Shutdown,
    Present(Presented),
    Command(Command),
}

/// A line that was understood. Without an id it wants no answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Option<Value>,
    pub(super) ask: Ask,
}

/// What a client reads.
#[derive(Debug)]
pub(super) enum Told {
    Answer { id: u64, result: Result<Reply, ApiError> },
    Event(Event),
}

/// A line that was not understood: what to answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) id: Option<Value>,
    pub(super) error: Problem,
}

/// The `error` member of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Problem {
    code: i64,
    message: String,
    data: Detail,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Detail {
    code: ErrorCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    says: Option<Saying>,
}

#[derive(Deserialize)]
struct RequestLine {
    jsonrpc: String,
    id: Option<Value>,
    method: String,
    params: Option<Value>,
}

#[derive(Deserialize)]
struct AnswerLine {
    id: Option<u64>,
    result: Option<Reply>,
    error: Option<Problem>,
    params: Option<Value>,
}

/// Of an answer that is not understood, whose it is.
#[derive(Deserialize)]
struct AnswerId {
    id: Option<u64>,
}

/// Understands a line of a client's.
pub(super) fn parse_request(line: &str) -> Result<Asked, Refusal> {
    let value: Value = serde_json::from_str(line).map_err(|error| Refusal {
        id: None,
        error: Problem::new(PARSE_ERROR, format!("This line is not JSON: {error}")),
    })?;
    let id = value.get("id").cloned();
    let refuse = |code, message| Refusal { id: id.clone(), error: Problem::new(code, message) };
    let request: RequestLine = serde_json::from_value(value)
        .map_err(|error| refuse(INVALID_REQUEST, format!("This is not a JSON-RPC request: {error}")))?;
    if request.jsonrpc != "2.0" {
        return Err(refuse(INVALID_REQUEST, "The member \"jsonrpc\" must be \"2.0\".".to_owned()));
    }
    let ask = match request.method.as_str() {
        "subscribe" => Ask::Subscribe,
        "shutdown" => Ask::Shutdown,
        "present" => serde_json::from_value(request.params.unwrap_or_default())
            .map(Ask::Present)
            .map_err(|error| refuse(INVALID_PARAMS, format!("present: {error}")))?,
        _ => {
            parse_command(request.method, request.params).map_err(|(code, message)| refuse(code, message))?
        }
    };
    Ok(Asked { id: request.id, ask })
}

fn parse_command(method: String, params: Option<Value>) -> Result<Ask, (i64, String)> {
    let params = params.unwrap_or_else(|| json!({}));
    let whole = json!({ "method": method, "params": params });
    serde_json::from_value(whole).map(Ask::Command).map_err(|error| {
        let message = error.to_string();
        // Serde says it only in words; a test holds it to them.
        let code = if message.starts_with("unknown variant") { METHOD_NOT_FOUND } else { INVALID_PARAMS };
        (code, format!("{method}: {message}"))
    })
}

/// The line that answers a request.
pub(super) fn answer(id: &Value, result: Result<Reply, ApiError>) -> String {
    match result {
        Ok(reply) => json!({ "jsonrpc": "2.0", "id": id, "result": reply }).to_string(),
        Err(error) => problem(id, &Problem::from(error)),
    }
}

/// The line that answers a request that was refused.
pub(super) fn problem(id: &Value, error: &Problem) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

/// The line that tells of an event.
pub(super) fn notification(event: &Event) -> String {
    json!({ "jsonrpc": "2.0", "method": "event", "params": event }).to_string()
}

/// The line that asks for a command.
pub(super) fn request(id: u64, command: &Command) -> Result<String, serde_json::Error> {
    let mut line = serde_json::to_value(command)?;
    line["jsonrpc"] = "2.0".into();
    line["id"] = id.into();
    Ok(line.to_string())
}

/// The line that asks for a method without params that is no command.
pub(super) fn bare_request(id: u64, method: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method }).to_string()
}

/// The line that asks for the window.
pub(super) fn present_request(id: u64, presented: &Presented) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "present", "params": presented }).to_string()
}

/// Understands a line of a node's. `None` for what only a newer version means something by.
pub(super) fn parse_answer(line: &str) -> Option<Told> {
    let Ok(answer) = serde_json::from_str::<AnswerLine>(line) else {
        // Whoever waits for it would wait for ever.
        let id = serde_json::from_str::<AnswerId>(line).ok()?.id?;
        let other = says!(
            ErrorCode::Internal,
            "The node that runs answered what this version does not understand: use the same version of both."
        );
        return Some(Told::Answer { id, result: Err(other) });
    };
    match (answer.id, answer.result, answer.error, answer.params) {
        (Some(id), Some(reply), None, _) => Some(Told::Answer { id, result: Ok(reply) }),
        (Some(id), None, Some(problem), _) => Some(Told::Answer { id, result: Err(problem.into()) }),
        (None, None, None, Some(event)) => serde_json::from_value(event).ok().map(Told::Event),
        _ => None,
    }
}

impl Problem {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), data: Detail { code: ErrorCode::Invalid, says: None } }
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Problem {
        let code = match error.code {
            ErrorCode::Invalid => INVALID_PARAMS,
            ErrorCode::Internal => INTERNAL_ERROR,
            ErrorCode::NotFound => -32001,
            ErrorCode::Refused => -32002,
            ErrorCode::TimedOut => -32003,
            ErrorCode::Storage => -32004,
            ErrorCode::Network => -32005,
            ErrorCode::ProfileInUse => -32006,
            ErrorCode::NoSuch => -32007,
        };
        Problem { code, message: error.message, data: Detail { code: error.code, says: error.says } }
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> ApiError {
        ApiError { code: problem.data.code, message: problem.message, says: problem.data.says }
    }
}

// JSON-RPC 2.0, section 5.1; -32000 to -32099 are the server's own.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL_ERROR: i64 = -32603;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn code_of(line: &str) -> i64 {
        parse_request(line).expect_err("refused").error.code
    }

    #[test]
    fn missing_params_are_an_empty_object() {
        let asked = parse_request(r#"{"jsonrpc":"2.0","id":7,"method":"peers"}"#).unwrap();
        assert_eq!(asked.id, Some(json!(7)));
        assert_eq!(asked.ask, Ask::Command(Command::Peers {}));
    }

    #[test]
    fn an_answer_that_is_not_understood_is_one_all_the_same() {
        let line = r#"{"jsonrpc":"2.0","id":7,"result":{"reply":"dance","value":{}}}"#;
        let Some(Told::Answer { id: 7, result: Err(error) }) = parse_answer(line) else { panic!("{line}") };
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(error.message.contains("the same version"), "{error}");
        assert!(parse_answer(r#"{"jsonrpc":"2.0","method":"event","params":{"event":"dance"}}"#).is_none());
        assert!(parse_answer("{").is_none());
    }

    #[test]
    fn a_command_survives_the_line() {
        let command = Command::Say { to: "#lobby".into(), text: "two\nlines".into(), reply: None };
        let line = request(1, &command).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(parse_request(&line).unwrap().ask, Ask::Command(command));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_by_the_standard_codes() {
        assert_eq!(code_of("{"), -32700);
        assert_eq!(code_of("[]"), -32600);
        assert_eq!(code_of(r#"{"jsonrpc":"1.0","method":"peers"}"#), -32600);
        assert_eq!(code_of(r#"{"jsonrpc":"2.0","method":"dance"}"#), -32601);
        assert_eq!(code_of(r#"{"jsonrpc":"2.0","method":"say","params":{"to":"x"}}"#), -32602);
        assert_eq!(code_of(r#"{"jsonrpc":"2.0","method":"peers","params":{"x":1}}"#), -32602);
    }

    #[test]
    fn an_error_keeps_its_code_and_words() {
        let error = ApiError::new(ErrorCode::NotFound, "There is nobody called Zoe here.");
        let line = answer(&json!(3), Err(error.clone()));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["error"]["data"]["code"], "not-found");
        let Some(Told::Answer { id: 3, result }) = parse_answer(&line) else { panic!("{line}") };
        assert_eq!(result, Err(error));
    }

    #[test]
    fn an_event_survives_the_line() {
        let event = Event::Lagged { missed: 9 };
        let Some(Told::Event(told)) = parse_answer(&notification(&event)) else { panic!("not an event") };
        assert_eq!(told, event);
    }

    #[test]
    fn an_event_of_a_newer_version_is_passed_over() {
        let line = r#"{"jsonrpc":"2.0","method":"event","params":{"event":"dance"}}"#;
        assert!(parse_answer(line).is_none());
    }
}
