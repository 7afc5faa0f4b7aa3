//! The asker's side of a connection that is about shared folders.

use std::io;

use lanyard_proto::model::ShareId;
use lanyard_proto::wire::file::{Frame, Refusal};
use lanyard_proto::wire::share::{After, Entry, MAX_ANSWER, MAX_QUESTION, Share, Shared, Taken, Why};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::names::shown;
use super::serve::GOODBYE;
use super::stream::{Frames, StreamError, write_all};

/// A connection on which questions are asked, one at a time.
pub struct Asker<S> {
    frames: Frames<ReadHalf<S>>,
    writer: WriteHalf<S>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The holder says so; `path` is which of those that were asked for.
    #[error("the holder does not give it: {why:?}")]
    Unshared { why: Why, path: Option<u32> },
    #[error("{0}")]
    Lost(io::Error),
    #[error("what the holder sent makes no sense")]
    Nonsense,
    /// The question is longer than a holder reads.
    #[error("too much at a time")]
    TooLong,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Asker<S> {
    /// Asks what is shared.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn look(stream: S) -> Result<(Asker<S>, Vec<Shared>), AskError> {
        let (reader, writer) = tokio::io::split(stream);
        let mut asker = Asker { frames: Frames::new(reader), writer };
        match asker.ask(Share::Look).await? {
            Share::Shared(shares) => Ok((asker, shares)),
            _ => Err(AskError::Nonsense),
        }
    }

    /// Asks for a page of a folder. The names are safe to show; what could not be one name is left out.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn list(
        &mut self,
        share: ShareId,
        folder: String,
        after: Option<After>,
        limit: u16,
    ) -> Result<(Vec<Entry>, bool), AskError> {
        match self.ask(Share::List { share, folder, after, limit }).await? {
            Share::Listing { mut entries, more } if entries.len() <= usize::from(limit) => {
                entries.retain(|entry| is_one_name(&entry.name));
                entries.iter_mut().for_each(|entry| entry.name = shown(&entry.name));
                Ok((entries, more))
            }
            _ => Err(AskError::Nonsense),
        }
    }

    /// Asks for an offer of these.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn take(&mut self, share: ShareId, paths: Vec<String>) -> Result<Taken, AskError> {
        match self.ask(Share::Take { share, paths }).await? {
            Share::Taken(taken) => Ok(taken),
            _ => Err(AskError::Nonsense),
        }
    }

    /// Hangs up.
    pub async fn goodbye(mut self) {
        let _ = timeout(GOODBYE, self.writer.shutdown()).await;
    }

    async fn ask(&mut self, question: Share) -> Result<Share, AskError> {
        let mut bytes = Vec::new();
        Frame::Share(question).encode(&mut bytes);
        if bytes.len() > 4 + MAX_QUESTION {
            return Err(AskError::TooLong);
        }
        write_all(&mut self.writer, &bytes).await.map_err(AskError::Lost)?;
        loop {
            match self.frames.next(MAX_ANSWER).await? {
                Frame::Share(Share::Unshared { why, path }) => return Err(AskError::Unshared { why, path }),
                Frame::Share(answer) => return Ok(answer),
                Frame::Refused(Refusal::Busy) => {
                    return Err(AskError::Unshared { why: Why::Busy, path: None });
                }
                Frame::Alive | Frame::Unknown => {}
                _ => return Err(AskError::Nonsense),
            }
        }
    }
}

/// Whether it can stand in a path between two `/`.
fn is_one_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0'])
}

impl From<StreamError> for AskError {
    fn from(error: StreamError) -> AskError {
        match error {
            StreamError::Io(error) => AskError::Lost(error),
            StreamError::Decode(_) => AskError::Nonsense,
        }
    }
}
