//! Which devices there are, and opening one: always with buffers of 10 ms, since what systems choose by themselves can be two seconds.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, ErrorKind, FromSample, Sample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfigRange,
};

use super::convert::{Inward, Outward};
use super::port::{Ring, Shared, Word, lock};
use super::{Device, Devices};
use crate::audio::RATE;
use crate::priority;
use crate::trouble::Trouble;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Microphone,
    Speaker,
}

impl Role {
    pub fn none(self) -> Trouble {
        match self {
            Role::Microphone => Trouble::NoMicrophone,
            Role::Speaker => Trouble::NoSpeaker,
        }
    }

    pub fn gone(self) -> Trouble {
        match self {
            Role::Microphone => Trouble::MicrophoneGone,
            Role::Speaker => Trouble::SpeakerGone,
        }
    }

    pub fn broken(self, why: String) -> Trouble {
        match self {
            Role::Microphone => Trouble::Microphone(why),
            Role::Speaker => Trouble::Speaker(why),
        }
    }

    fn unknown(self, name: &str) -> Trouble {
        match self {
            Role::Microphone => Trouble::NoSuchMicrophone(name.to_owned()),
            Role::Speaker => Trouble::NoSuchSpeaker(name.to_owned()),
        }
    }

    /// What the system's word means for a person.
    fn trouble(self, error: &cpal::Error) -> Trouble {
        match (error.kind(), self) {
            (ErrorKind::DeviceNotAvailable, _) => self.gone(),
            (ErrorKind::HostUnavailable, _) => Trouble::NoSoundSystem,
            (ErrorKind::DeviceBusy, Role::Microphone) => Trouble::MicrophoneBusy,
            (ErrorKind::DeviceBusy, Role::Speaker) => Trouble::SpeakerBusy,
            (ErrorKind::PermissionDenied, Role::Microphone) => Trouble::MicrophoneForbidden,
            (ErrorKind::PermissionDenied, Role::Speaker) => Trouble::SpeakerForbidden,
            _ => self.broken(error.to_string()),
        }
    }
}

pub fn list() -> Result<Devices, Trouble> {
    let host = host()?;
    Ok(Devices { microphones: choices(&host, Role::Microphone), speakers: choices(&host, Role::Speaker) })
}

/// Opens a device and lets it run.
pub fn open(role: Role, name: Option<&str>, ring: &Shared, broken: &Sender<Word>) -> Result<Stream, Trouble> {
    let host = host()?;
    let device = match name {
        None => default(&host, role).ok_or_else(|| role.none())?,
        Some(name) => named(&host, role)
            .into_iter()
            .find(|(known, _)| known == name)
            .map(|(_, device)| device)
            .ok_or_else(|| role.unknown(name))?,
    };
    let (config, format) = choose(&device, role)?;
    let build = |config| build(role, &device, config, format, ring, broken);
    let stream = match build(config) {
        // Some systems have a length of their own, and it is short there.
        Err(error) if error.kind() == ErrorKind::UnsupportedConfig => {
            build(StreamConfig { buffer_size: BufferSize::Default, ..config })
        }
        built => built,
    };
    let stream = stream.map_err(|error| role.trouble(&error))?;
    let period = match config.buffer_size {
        BufferSize::Fixed(frames) => frames as usize * RATE / config.sample_rate as usize,
        BufferSize::Default => crate::audio::BLOCK,
    };
    *lock(ring) = Ring { called: Some(Instant::now()), period, ..Ring::default() };
    stream.play().map_err(|error| role.trouble(&error))?;
    Ok(stream)
}

/// On Linux the sound server where there is one: it mixes programs, knows headsets, and was measured to lose nothing where
/// ALSA's way to it lost a fifth.
fn host() -> Result<cpal::Host, Trouble> {
    #[cfg(target_os = "linux")]
    if let Ok(host) = cpal::host_from_id(cpal::HostId::PulseAudio) {
        return Ok(host);
    }
    match cpal::available_hosts().is_empty() {
        true => Err(Trouble::NoSoundSystem),
        false => Ok(cpal::default_host()),
    }
}

fn default(host: &cpal::Host, role: Role) -> Option<cpal::Device> {
    match role {
        Role::Microphone => host.default_input_device(),
        Role::Speaker => host.default_output_device(),
    }
}

/// What can be chosen for a role.
fn choices(host: &cpal::Host, role: Role) -> Vec<Device> {
    let chosen = default(host, role).and_then(|device| device.id().ok());
    let mut choices = Vec::new();
    for (name, device) in named(host, role) {
        let id = device.id().ok();
        // What a loudspeaker plays can be recorded, too; that is nobody's microphone unless the system says so.
        let is_monitor = id.as_ref().is_some_and(|id| id.to_string().ends_with(MONITOR));
        let is_default = id.is_some() && id == chosen;
        if is_default || !is_monitor {
            choices.push(Device { name, is_default });
        }
    }
    choices
}

fn named(host: &cpal::Host, role: Role) -> Vec<(String, cpal::Device)> {
    let devices: Vec<cpal::Device> = match role {
        Role::Microphone => host.input_devices().map(Iterator::collect),
        Role::Speaker => host.output_devices().map(Iterator::collect),
    }
    .unwrap_or_default();
    let mut named: Vec<(String, cpal::Device)> = Vec::new();
    for device in devices {
        let Ok(description) = device.description() else {
            continue;
        };
        let name = description.name().to_owned();
        let alike = |other: &&(String, cpal::Device)| {
            other.1.description().is_ok_and(|description| description.name() == name)
        };
        let name = match named.iter().filter(alike).count() {
            0 => name,
            before => format!("{name} ({})", before + 1),
        };
        named.push((name, device));
    }
    named
}

/// The best that a device can: 48 kHz, one channel, floats, if it can.
fn choose(device: &cpal::Device, role: Role) -> Result<(StreamConfig, SampleFormat), Trouble> {
    let ranges: Vec<SupportedStreamConfigRange> = match role {
        Role::Microphone => device.supported_input_configs().map(Iterator::collect),
        Role::Speaker => device.supported_output_configs().map(Iterator::collect),
    }
    .map_err(|error| role.trouble(&error))?;
    let worth = |range: &SupportedStreamConfigRange| {
        let format = match range.sample_format() {
            SampleFormat::F32 => 2,
            SampleFormat::I16 => 1,
            SampleFormat::I32 => 0,
            _ => return None,
        };
        let rates = range.min_sample_rate()..=range.max_sample_rate();
        let rate = if rates.contains(&(RATE as u32)) { 100 } else { 0 };
        let channels = 10 * (8_u16.saturating_sub(range.channels()));
        Some(rate + channels + format)
    };
    let (_, range) = ranges
        .iter()
        .filter_map(|range| worth(range).map(|worth| (worth, range)))
        .max_by_key(|(worth, _)| *worth)
        .ok_or_else(|| role.broken("it has no kind of sound that is known here".to_owned()))?;
    let rate = (RATE as u32).clamp(range.min_sample_rate(), range.max_sample_rate());
    let wanted = rate / 100;
    let frames = match range.buffer_size() {
        SupportedBufferSize::Range { min, max } => wanted.clamp(*min, (*max).max(*min)),
        SupportedBufferSize::Unknown => wanted,
    };
    let config = StreamConfig {
        channels: range.channels(),
        sample_rate: rate,
        buffer_size: BufferSize::Fixed(frames),
    };
    Ok((config, range.sample_format()))
}

fn build(
    role: Role,
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    ring: &Shared,
    broken: &Sender<Word>,
) -> Result<Stream, cpal::Error> {
    match (role, format) {
        (Role::Microphone, SampleFormat::F32) => listen::<f32>(device, config, ring, broken),
        (Role::Microphone, SampleFormat::I16) => listen::<i16>(device, config, ring, broken),
        (Role::Microphone, _) => listen::<i32>(device, config, ring, broken),
        (Role::Speaker, SampleFormat::F32) => play::<f32>(device, config, ring, broken),
        (Role::Speaker, SampleFormat::I16) => play::<i16>(device, config, ring, broken),
        (Role::Speaker, _) => play::<i32>(device, config, ring, broken),
    }
}

fn listen<T>(
    device: &cpal::Device,
    config: StreamConfig,
    ring: &Shared,
    broken: &Sender<Word>,
) -> Result<Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let mut inward = Inward::new(config.channels, config.sample_rate);
    let ring = ring.clone();
    let mut is_raised = false;
    let heard = move |samples: &[T], _: &cpal::InputCallbackInfo| {
        raise_once(&mut is_raised);
        let sound = inward.take(samples.iter().map(|sample| f32::from_sample(*sample)));
        let mut ring = lock(&ring);
        ring.called = Some(Instant::now());
        ring.samples.extend(sound);
        // Nobody takes it: the call is only just opening it.
        let excess = ring.samples.len().saturating_sub(MOST_KEPT);
        ring.samples.drain(..excess);
    };
    let failed = on_error(Role::Microphone, broken);
    device.build_input_stream(config, heard, failed, Some(OPENED_WITHIN))
}

fn play<T>(
    device: &cpal::Device,
    config: StreamConfig,
    ring: &Shared,
    broken: &Sender<Word>,
) -> Result<Stream, cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    let mut outward = Outward::new(config.channels, config.sample_rate);
    let ring = ring.clone();
    let (mut is_raised, mut buffer) = (false, Vec::new());
    let wanted = move |samples: &mut [T], _: &cpal::OutputCallbackInfo| {
        raise_once(&mut is_raised);
        buffer.resize(samples.len(), 0.0);
        {
            let mut ring = lock(&ring);
            ring.called = Some(Instant::now());
            let ring = &mut *ring;
            if !outward.fill(&mut buffer, || ring.samples.pop_front()) && ring.was_fed {
                ring.dry = ring.dry.wrapping_add(1);
                ring.was_fed = false;
            }
        }
        samples.iter_mut().zip(&buffer).for_each(|(to, from)| *to = T::from_sample(*from));
    };
    let failed = on_error(Role::Speaker, broken);
    device.build_output_stream(config, wanted, failed, Some(OPENED_WITHIN))
}

fn on_error(role: Role, broken: &Sender<Word>) -> impl FnMut(cpal::Error) + Send + 'static {
    let broken = broken.clone();
    move |error| match error.kind() {
        // It goes on by itself.
        ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {
            tracing::debug!(%error, "a device for sound");
        }
        ErrorKind::StreamInvalidated => {
            let _ = broken.send(Word::Broken(role.gone()));
        }
        _ => {
            let _ = broken.send(Word::Broken(role.trouble(&error)));
        }
    }
}

/// The device's thread is the system's, so it is raised when it calls.
fn raise_once(is_raised: &mut bool) {
    if !*is_raised {
        *is_raised = true;
        priority::raise("device");
    }
}

const MONITOR: &str = ".monitor";
const OPENED_WITHIN: Duration = Duration::from_secs(2);
/// Samples: a fifth of a second.
const MOST_KEPT: usize = RATE / 5;
