//! Being asked to end.

use std::io;

/// Waits until the person (Ctrl-C) or the system (SIGTERM, a closing console) wants the program to end.
#[cfg(unix)]
pub async fn asked_to_end() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Waits until the person (Ctrl-C) or the system (SIGTERM, a closing console) wants the program to end.
#[cfg(windows)]
pub async fn asked_to_end() -> io::Result<()> {
    use tokio::signal::windows;
    let (mut interrupt, mut close) = (windows::ctrl_c()?, windows::ctrl_close()?);
    let (mut interrupt_break, mut shutdown) = (windows::ctrl_break()?, windows::ctrl_shutdown()?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = interrupt_break.recv() => {}
        _ = close.recv() => {}
        _ = shutdown.recv() => {}
    }
    Ok(())
}
