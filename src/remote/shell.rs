//! One long-lived `sh` on a node: framed requests in, framed answers out.
//!
//! A request is shell text. The answer is what it prints, ended on stdout and on stderr by a token that
//! is made anew for each session and never exported, so that no command can print it. The shell itself
//! reads the request, so a request that is cut by a dead link is never run in part.

use std::time::Duration;

use openssh::{ChildStderr, ChildStdin, ChildStdout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Listener, Output, Stream};

/// The three ends of the channel, and the token that ends an answer.
pub struct Shell {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    token: String,
    /// Set while an answer is outstanding: whoever finds it set must not use the channel.
    broken: bool,
    /// Text that travels with the first request: the function library needs no round trip of its own.
    preamble: String,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the connection was lost")]
    Closed,
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Shell {
    /// A shell whose first request brings `library` along.
    pub fn new(
        stdin: ChildStdin,
        stdout: ChildStdout,
        stderr: ChildStderr,
        token: String,
        library: &str,
    ) -> Self {
        let preamble = format!("T={token}\n{library}\n");
        Self { stdin, stdout, stderr, token, broken: false, preamble }
    }

    /// Sends one request and waits for its answer.
    pub async fn request(
        &mut self,
        script: &str,
        limit: Option<Duration>,
        listener: Option<&Listener>,
    ) -> Result<Output, Lost> {
        if self.broken {
            return Err(Lost::Closed);
        }
        self.broken = true;
        let exchange = self.exchange(script, listener);
        let output = match limit {
            Some(limit) => {
                tokio::time::timeout(limit, exchange).await.map_err(|_| Lost::Late(limit))?
            }
            None => exchange.await,
        }?;
        self.broken = false;
        Ok(output)
    }

    async fn exchange(
        &mut self,
        script: &str,
        listener: Option<&Listener>,
    ) -> Result<Output, Lost> {
        // The redirection keeps commands from reading the requests that follow.
        let mut request = std::mem::take(&mut self.preamble);
        request.push_str(&format!("{{\n{script}\n}} </dev/null\np_end $?\n"));
        let send = async {
            self.stdin.write_all(request.as_bytes()).await.map_err(|_| Lost::Closed)?;
            self.stdin.flush().await.map_err(|_| Lost::Closed)
        };
        let token = self.token.as_bytes();
        let hear = |stream| {
            move |piece: &[u8]| {
                if let Some(listener) = listener {
                    listener.hear(stream, piece);
                }
            }
        };
        let (_, stdout, stderr) = tokio::try_join!(
            send,
            read_answer(&mut self.stdout, token, hear(Stream::Stdout)),
            read_answer(&mut self.stderr, token, hear(Stream::Stderr))
        )?;
        let code = std::str::from_utf8(&stdout.tail).ok().and_then(|t| t.trim().parse().ok());
        Ok(Output { code: code.ok_or(Lost::Closed)?, stdout: stdout.text, stderr: stderr.text })
    }
}

/// What came before the token, and what stood behind it on its line.
struct Answer {
    text: Vec<u8>,
    tail: Vec<u8>,
}

/// Reads up to the token. `hear` is told what arrives; a line end before the token may be too much.
async fn read_answer(
    stream: &mut (impl AsyncReadExt + Unpin),
    token: &[u8],
    mut hear: impl FnMut(&[u8]),
) -> Result<Answer, Lost> {
    let mut buffer = Vec::new();
    let (mut searched, mut heard) = (0, 0);
    loop {
        let found = find_end(&buffer, searched, token);
        let certain = match found {
            Some((text_end, ..)) => text_end,
            None => certain_end(&buffer, searched, token),
        };
        if certain > heard {
            hear(&buffer[heard..certain]);
            heard = certain;
        }
        if let Some((text_end, tail, end)) = found {
            let tail = buffer[tail..end].to_vec();
            buffer.truncate(text_end);
            return Ok(Answer { text: buffer, tail });
        }
        searched = buffer.len().saturating_sub(token.len() + 16);
        let read = stream.read_buf(&mut buffer).await.map_err(|_| Lost::Closed)?;
        if read == 0 {
            return Err(Lost::Closed);
        }
    }
}

/// Where `"\n" token … "\n"` stands: end of the text, start and end of the tail.
fn find_end(buffer: &[u8], from: usize, token: &[u8]) -> Option<(usize, usize, usize)> {
    let start = from + buffer[from..].windows(token.len()).position(|window| window == token)?;
    let tail = start + token.len();
    let line_end = tail + buffer[tail..].iter().position(|byte| *byte == b'\n')?;
    Some((start.saturating_sub(1), tail, line_end))
}

/// How much of the buffer cannot belong to the token's line, which is not whole yet and starts behind `from`. A line
/// end alone is let through, or the last line before a pause would not be heard.
fn certain_end(buffer: &[u8], from: usize, token: &[u8]) -> usize {
    let end = [b"\n", token].concat();
    let from = from.saturating_sub(1);
    if let Some(start) = buffer[from..].windows(end.len()).position(|window| window == end) {
        return from + start;
    }
    let longest = end.len().min(buffer.len());
    let begun = (2..=longest).rev().find(|length| buffer.ends_with(&end[..*length]));
    buffer.len() - begun.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(chunks: Vec<Vec<u8>>) -> Result<(Vec<u8>, Vec<u8>), String> {
        read(chunks).0.map(|answer| (answer.text, answer.tail))
    }

    /// The answer, and what was heard until then.
    fn read(chunks: Vec<Vec<u8>>) -> (Result<Answer, String>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let mut reader = tokio_test_reader(chunks);
            let mut heard = Vec::new();
            let hear = |piece: &[u8]| heard.extend_from_slice(piece);
            let answer = read_answer(&mut reader, b"TOKEN", hear).await;
            (answer.map_err(|e| e.to_string()), heard)
        })
    }

    fn tokio_test_reader(chunks: Vec<Vec<u8>>) -> impl AsyncReadExt + Unpin {
        // No larger than a piece, so that pieces arrive one by one.
        let size = chunks.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let (reader, mut writer) = tokio::io::duplex(size);
        let write = async move {
            for chunk in chunks {
                let _ = writer.write_all(&chunk).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::spawn(write);
        reader
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_whole(text in proptest::collection::vec(any::<u8>(), 0..4000)) {
            prop_assume!(!text.windows(5).any(|w| w == b"TOKEN"));
            let chunks = vec![text.clone(), b"\nTOKEN 7\n".to_vec()];
            prop_assert_eq!(answer(chunks), Ok((text, b" 7".to_vec())));
        }
    }

    #[test]
    fn all_but_the_last_line_end_is_heard_in_pieces_of_any_size() {
        let text = b"one\ntwo TOKE three\n";
        let whole = [text, &b"\nTOKEN 0\n"[..]].concat();
        for size in 1..whole.len() {
            let chunks = whole.chunks(size).map(<[u8]>::to_vec).collect();
            let (answer, heard) = read(chunks);
            assert_eq!(answer.expect("an answer").text, text);
            assert_eq!(heard.trim_ascii_end(), text.trim_ascii_end(), "pieces of {size}");
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_a_lost_connection() {
        assert_eq!(answer(vec![b"half an ans".to_vec()]), Err("the connection was lost".into()));
    }
}
