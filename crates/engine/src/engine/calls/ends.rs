//! Where the sound of a call comes from and goes to. They outlive the conference, which begins anew when two calls become one.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lanyard_media::audio::{sinks, sources};
use lanyard_media::{AudioIn, AudioOut, BLOCK, Block, RATE, Trouble, devices};

/// What is spoken into a call.
pub enum Source {
    Microphone(Option<String>),
    Tone,
    Silence,
    File(PathBuf),
    Fed,
}

/// Where what is heard goes.
pub enum Sink {
    Speaker(Option<String>),
    File(PathBuf),
}

pub struct Ends {
    pub input: Input,
    pub output: Output,
    pub fed: Option<Fed>,
    /// Whether they are devices, of which others can be chosen.
    pub microphone: bool,
    pub speaker: bool,
}

impl Ends {
    /// Opens files, which may wait for the disk.
    ///
    /// # Errors
    /// `Trouble::File`. Devices never fail: what is wrong with them is told in the call.
    pub fn open(source: Source, sink: Sink) -> Result<Ends, Trouble> {
        let mut fed = None;
        let (microphone, speaker) =
            (matches!(source, Source::Microphone(_)), matches!(sink, Sink::Speaker(_)));
        let input: Box<dyn AudioIn> = match source {
            Source::Microphone(name) => devices::microphone(name),
            Source::Tone => Box::new(sources::Tone::new(TONE, LOUDNESS)),
            Source::Silence => Box::new(sources::Silence::default()),
            Source::File(path) => Box::new(sources::Wav::open(&path, false)?),
            Source::Fed => {
                let queue = Fed::default();
                fed = Some(queue.clone());
                Box::new(queue)
            }
        };
        let output: Box<dyn AudioOut> = match sink {
            Sink::Speaker(name) => devices::speaker(name),
            Sink::File(path) => {
                claim(&path).map_err(|error| Trouble::File { path: path.clone(), why: error.to_string() })?;
                Box::new(sinks::Wav::create(&path)?)
            }
        };
        Ok(Ends { input: Input::new(input), output: Output::new(output), fed, microphone, speaker })
    }
}

/// Makes a new file; what is there stays as it is.
fn claim(path: &PathBuf) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path).map(drop)
}

/// A source that several conferences have one after the other.
pub struct Input(Shared<dyn AudioIn>);

/// The same of a sink.
pub struct Output(Shared<dyn AudioOut>);

struct Shared<T: ?Sized> {
    end: Arc<Mutex<Box<T>>>,
    /// When the first of them began.
    began: Instant,
    /// How long after that this one did.
    late: Duration,
}

impl<T: ?Sized> Shared<T> {
    fn new(end: Box<T>) -> Shared<T> {
        Shared { end: Arc::new(Mutex::new(end)), began: Instant::now(), late: Duration::ZERO }
    }

    fn for_another(&self) -> Shared<T> {
        Shared { end: self.end.clone(), began: self.began, late: self.began.elapsed() }
    }

    fn lock(&self) -> MutexGuard<'_, Box<T>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Input {
    pub fn new(input: Box<dyn AudioIn>) -> Input {
        Input(Shared::new(input))
    }

    /// For the conference that begins now.
    pub fn for_another(&self) -> Box<dyn AudioIn> {
        Box::new(Input(self.0.for_another()))
    }
}

impl Output {
    pub fn new(output: Box<dyn AudioOut>) -> Output {
        Output(Shared::new(output))
    }

    /// For the conference that begins now.
    pub fn for_another(&self) -> Box<dyn AudioOut> {
        Box::new(Output(self.0.for_another()))
    }
}

impl AudioIn for Input {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        self.0.lock().read(self.0.late + now, block)
    }

    fn is_live(&self) -> bool {
        self.0.lock().is_live()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.0.lock().trouble()
    }

    fn has_ended(&self) -> bool {
        self.0.lock().has_ended()
    }
}

impl AudioOut for Output {
    fn wanted(&mut self, now: Duration) -> usize {
        self.0.lock().wanted(self.0.late + now)
    }

    fn write(&mut self, block: &Block) {
        self.0.lock().write(block);
    }

    fn delay(&self) -> Duration {
        self.0.lock().delay()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.0.lock().trouble()
    }
}

/// Sound that a program gives piece by piece; silence while it gives none.
#[derive(Clone, Default)]
pub struct Fed {
    queue: Arc<Mutex<VecDeque<i16>>>,
    given: u64,
}

impl Fed {
    /// Takes samples if there is room for them.
    pub fn take(&self, samples: &[i16]) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = queue.len() + samples.len() <= FED;
        if fits {
            queue.extend(samples);
        }
        fits
    }
}

impl AudioIn for Fed {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        let due = now.as_millis() / 10 + 1;
        if u128::from(self.given) >= due {
            return false;
        }
        self.given += 1;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        block
            .iter_mut()
            .for_each(|sample| *sample = queue.pop_front().map_or(0.0, |it| f32::from(it) / 32_768.0));
        true
    }
}

/// Samples of one piece at the most, and of all that wait.
pub const PIECE: usize = RATE;
const FED: usize = RATE + BLOCK * 20;
/// The test tone, in hertz, and how loud it is.
const TONE: f32 = 440.0;
const LOUDNESS: f32 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fed_comes_in_time_and_no_more_is_taken_than_a_second() {
        let fed = Fed::default();
        assert!(fed.take(&vec![16_384; PIECE]));
        assert!(!fed.take(&vec![1; PIECE]), "the next second waits for its turn");
        let mut end = Input::new(Box::new(fed));
        let mut block = [0.0; BLOCK];
        assert!(end.read(Duration::ZERO, &mut block) && block == [0.5; BLOCK]);
        assert!(!end.read(Duration::from_millis(9), &mut block), "it is not time yet");
        let blocks = (1..200u64).filter(|n| {
            assert!(end.read(Duration::from_millis(n * 10), &mut block));
            block == [0.5; BLOCK]
        });
        assert_eq!(blocks.count(), RATE / BLOCK - 1, "then it is silent");
    }

    #[test]
    fn a_recording_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        std::fs::write(&path, b"mine").unwrap();
        let refused = Ends::open(Source::Silence, Sink::File(path.clone()));
        assert!(matches!(refused, Err(Trouble::File { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
