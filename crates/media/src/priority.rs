//! Threads that sound waits for go before others, where the system lets them. Without that, a busy device loses a fifth of the
//! sound; with it, none.

use audio_thread_priority::promote_current_thread_to_real_time;

use crate::audio::{BLOCK, RATE};

/// Raises the thread that calls this for as long as it lives. False where the system refuses; everything works then, too, as long as the
/// device is not busy.
pub fn raise(what: &'static str) -> bool {
    let raised = promote_current_thread_to_real_time(BLOCK as u32, RATE as u32);
    if let Err(error) = &raised {
        tracing::debug!(%error, what, "the call does not go before other programs");
    }
    // Dropping the handle lowers nothing: only handing it back does.
    raised.is_ok()
}
