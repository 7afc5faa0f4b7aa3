//! What a program asked of the system, as strace wrote it down.
//!
//! Only what `-f -y -xx` writes is understood, and anything that was cut short is an error: a record with a hole in it
//! would prove nothing.

use std::collections::HashMap;

/// One system call that came back.
#[derive(Debug)]
pub struct Call {
    /// The lines of the record on which it began and ended, the same unless others spoke meanwhile.
    pub began: usize,
    pub ended: usize,
    pub name: String,
    pub arguments: Vec<Argument>,
    /// What it gave back; negative for an error.
    pub result: i64,
}

/// One argument of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Argument {
    /// A string or a buffer, byte for byte.
    Bytes(Vec<u8>),
    /// An open file, -100 for the working folder, and where it is.
    Descriptor { number: i64, path: Vec<u8> },
    /// Numbers, flags and structures, as they were written.
    Other(String),
}

/// The calls in a record, in the order in which they ended.
///
/// # Errors
/// The line that cannot be understood, and why.
pub fn read(record: &[u8]) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&[u8], (usize, &[u8])> = HashMap::new();
    for (number, line) in record.split(|byte| *byte == b'\n').enumerate() {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
        let (thread, what) = (&line[..space], line[space..].trim_ascii_start());
        if what.starts_with(b"+++") || what.starts_with(b"---") {
            continue;
        }
        if let Some(begun) = what.strip_suffix(UNFINISHED) {
            unfinished.insert(thread, (number, begun));
            continue;
        }
        let call = match what.strip_prefix(b"<... ") {
            None => call(number, number, what),
            Some(resumed) => {
                let rest = after(resumed, b" resumed>").ok_or_else(|| bad(number, "no name"))?;
                let Some((began, begun)) = unfinished.remove(thread) else {
                    return Err(bad(number, "the end of a call that never began"));
                };
                call(began, number, &[begun, rest].concat())
            }
        };
        calls.extend(call.map_err(|why| bad(number, &why))?);
    }
    Ok(calls)
}

/// `None` for a call of which nobody knows how it ended: the end of the program came first.
fn call(began: usize, ended: usize, text: &[u8]) -> Result<Option<Call>, String> {
    let open = text.iter().position(|byte| *byte == b'(').ok_or("no call")?;
    let name = String::from_utf8_lossy(&text[..open]).into_owned();
    let (arguments, rest) = arguments(&text[open + 1..])?;
    let result = rest.trim_ascii_start().strip_prefix(b"= ").ok_or("no result")?;
    if result.starts_with(b"?") {
        return Ok(None);
    }
    let word = String::from_utf8_lossy(result.split(|byte| b" <".contains(byte)).next().unwrap_or_default())
        .into_owned();
    let result = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).map(u64::cast_signed),
        None => word.parse(),
    };
    let result = result.map_err(|_| format!("{word} is no result"))?;
    Ok(Some(Call { began, ended, name, arguments, result }))
}

/// The arguments up to the closing bracket, and what is behind it.
fn arguments(mut text: &[u8]) -> Result<(Vec<Argument>, &[u8]), String> {
    let mut found = Vec::new();
    loop {
        text = text.trim_ascii_start();
        match text.first() {
            None => return Err("no end of the arguments".to_owned()),
            Some(b')') => return Ok((found, &text[1..])),
            Some(b',') => text = &text[1..],
            Some(b'"') => {
                let (bytes, rest) = quoted(text)?;
                found.push(Argument::Bytes(bytes));
                text = rest;
            }
            Some(_) => {
                let length = length_of_word(text)?;
                found.push(word(&text[..length])?);
                text = &text[length..];
            }
        }
    }
}

/// A string in quotes, all of it in hexadecimal, and what is behind it.
fn quoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let inner = &text[1..];
    let end = inner.iter().position(|byte| *byte == b'"').ok_or("no end of a string")?;
    let rest = &inner[end + 1..];
    if rest.starts_with(b"...") {
        return Err("a string was cut short".to_owned());
    }
    Ok((bytes(&inner[..end])?, rest))
}

/// `\x2f\x74` and so on.
fn bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(4) {
        return Err("a string that is not in hexadecimal".to_owned());
    }
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let byte = |byte: &[u8]| match byte {
        [b'\\', b'x', high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.chunks_exact(4)
        .map(|one| byte(one).ok_or_else(|| "a string that is not in hexadecimal".to_owned()))
        .collect()
}

/// How long an argument is that is no string: up to the comma or bracket that is not inside of it.
fn length_of_word(text: &[u8]) -> Result<usize, String> {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b',' | b')' if depth == 0 => return Ok(at),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' | b'<' => {
                let close = if *byte == b'"' { b'"' } else { b'>' };
                // A shift is no bracket.
                if text.get(at + 1) != Some(&b'<') && (at == 0 || text[at - 1] != b'<') {
                    let length = text[at + 1..].iter().position(|other| *other == close);
                    at += 1 + length.ok_or("no end of an argument")?;
                }
            }
            _ => {}
        }
        at += 1;
    }
    Err("no end of an argument".to_owned())
}

fn word(text: &[u8]) -> Result<Argument, String> {
    let other = || Argument::Other(String::from_utf8_lossy(text).into_owned());
    let Some(open) = text.iter().position(|byte| *byte == b'<') else { return Ok(other()) };
    let number = match &text[..open] {
        b"AT_FDCWD" => Some(WORKING_FOLDER),
        digits => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
    };
    match (number, text.strip_suffix(b">")) {
        (Some(number), Some(closed)) => {
            Ok(Argument::Descriptor { number, path: bytes(&closed[open + 1..])? })
        }
        _ => Ok(other()),
    }
}

fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some(&text[at + mark.len()..])
}

fn bad(line: usize, why: &str) -> String {
    format!("line {} of the record: {why}", line + 1)
}

/// `AT_FDCWD`.
pub const WORKING_FOLDER: i64 = -100;

const UNFINISHED: &[u8] = b" <unfinished ...>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_with_every_byte_it_wrote() {
        let calls = read(b"7 pwrite64(12<\\x2f\\x61>, \"\\x00\\x22\\xff\", 3, 4096) = 3\n").unwrap();
        let [call] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!((call.name.as_str(), call.result), ("pwrite64", 3));
        let expected = [
            Argument::Descriptor { number: 12, path: b"/a".to_vec() },
            Argument::Bytes(vec![0, 0x22, 0xff]),
            Argument::Other("3".to_owned()),
            Argument::Other("4096".to_owned()),
        ];
        assert_eq!(call.arguments, expected);
    }

    #[test]
    fn a_call_that_others_interrupted_is_put_together_and_keeps_its_beginning() {
        let record = b"7 read(3<\\x61>,  <unfinished ...>\n8 fsync(4<\\x62>) = 0\n7 <... read resumed>\"\\x01\", 9) = 1\n";
        let calls = read(record).unwrap();
        let seen: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.began, call.ended)).collect();
        assert_eq!(seen, [("fsync", 1, 1), ("read", 0, 2)]);
        assert_eq!(calls[1].arguments[1], Argument::Bytes(vec![1]));
    }

    #[test]
    fn structures_flags_and_errors_are_kept_as_they_are() {
        let record = b"7 openat2(AT_FDCWD<\\x2f>, \"\\x61\", {flags=O_RDWR|O_CREAT, mode=0644}, 24) = -1 ENOENT (No such file)\n\
            7 mmap(NULL, 4, PROT_READ, MAP_SHARED|21<<MAP_HUGE_SHIFT, 3<\\x62>, 0) = 0x7f00\n";
        let calls = read(record).unwrap();
        assert_eq!(calls[0].result, -1);
        assert_eq!(
            calls[0].arguments[0],
            Argument::Descriptor { number: WORKING_FOLDER, path: b"/".to_vec() }
        );
        assert_eq!(calls[0].arguments[2], Argument::Other("{flags=O_RDWR|O_CREAT, mode=0644}".to_owned()));
        assert_eq!(calls[1].result, 0x7f00);
        assert_eq!(calls[1].arguments[4], Argument::Descriptor { number: 3, path: b"b".to_vec() });
    }

    #[test]
    fn what_was_cut_short_is_no_record() {
        assert!(read(b"7 write(3<\\x61>, \"\\x00\"..., 9) = 9\n").is_err());
        assert!(read(b"7 write(3<\\x61>, \"\\x00\n").is_err());
        assert!(read(b"7 <... write resumed>) = 9\n").is_err());
    }

    #[test]
    fn a_call_that_the_end_of_the_program_cut_off_is_left_out() {
        let record = b"7 write(3<\\x61>, \"\\x00\", 1 <unfinished ...>\n7 <... write resumed>) = ?\n7 +++ killed by SIGKILL +++\n";
        assert!(read(record).unwrap().is_empty());
    }
}
