//! The icon on systems that always have a place for one.

use tauri::menu::{CheckMenuItem, Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Wry};
use tokio::sync::{mpsc, oneshot, watch};

use super::icon::Picture;
use super::{Asked, Face};

/// The icon that is there.
pub struct Mounted {
    tray: TrayIcon,
    open: MenuItem<Wry>,
    quiet: CheckMenuItem<Wry>,
    quit: MenuItem<Wry>,
    icons: [Picture; 2],
}

impl Mounted {
    /// Puts the icon up; `there` is told whether it is. `None` where the system refuses.
    pub async fn new(
        app: &AppHandle,
        face: Face,
        icons: [Picture; 2],
        asked: mpsc::Sender<Asked>,
        there: watch::Sender<bool>,
    ) -> Option<Mounted> {
        let (told, mounted) = oneshot::channel();
        let handle = app.clone();
        // Systems take icons from the thread that has the windows.
        let sent = app.run_on_main_thread(move || drop(told.send(mount(&handle, face, icons, asked))));
        let mounted = match sent {
            Ok(()) => mounted.await.unwrap_or_else(|_| Err(tauri::Error::WindowNotFound)),
            Err(error) => Err(error),
        };
        let mounted = mounted.inspect_err(|error| tracing::info!(%error, "no tray on this system")).ok();
        there.send_replace(mounted.is_some());
        mounted
    }

    pub async fn show(&self, face: Face) {
        if let Err(error) = self.put(face) {
            tracing::debug!(%error, "the tray shows something else");
        }
    }

    fn put(&self, face: Face) -> tauri::Result<()> {
        let language = face.language;
        self.open.set_text(language.open())?;
        self.quiet.set_text(language.do_not_disturb())?;
        self.quiet.set_checked(face.quiet)?;
        self.quit.set_text(language.quit())?;
        self.tray.set_tooltip(Some(language.unread(face.unread)))?;
        let icon = &self.icons[usize::from(face.unread > 0)];
        self.tray.set_icon(Some(image(icon)))
    }
}

/// Where there is an icon it is shown.
pub async fn is_shown() -> bool {
    true
}

fn mount(
    app: &AppHandle,
    face: Face,
    icons: [Picture; 2],
    asked: mpsc::Sender<Asked>,
) -> tauri::Result<Mounted> {
    let language = face.language;
    let open = MenuItem::with_id(app, OPEN, language.open(), true, None::<&str>)?;
    let quiet =
        CheckMenuItem::with_id(app, QUIET, language.do_not_disturb(), true, face.quiet, None::<&str>)?;
    let quit = MenuItem::with_id(app, QUIT, language.quit(), true, None::<&str>)?;
    let menu = Menu::with_items(app, &[&open, &quiet, &PredefinedMenuItem::separator(app)?, &quit])?;
    let (clicked, checked) = (asked.clone(), quiet.clone());
    let tray = TrayIconBuilder::with_id("lanyard")
        .icon(image(&icons[0]))
        .menu(&menu)
        .show_menu_on_left_click(cfg!(target_os = "macos"))
        .on_menu_event(move |_, event| {
            let wanted = match event.id().as_ref() {
                OPEN => Asked::Open,
                // The system has switched it already.
                QUIET => Asked::DoNotDisturb(checked.is_checked().unwrap_or_default()),
                QUIT => Asked::Quit,
                _ => return,
            };
            ask(&asked, wanted);
        })
        .on_tray_icon_event(move |_, event| {
            let is_click = matches!(
                event,
                TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. }
            );
            if is_click && !cfg!(target_os = "macos") {
                ask(&clicked, Asked::Open);
            }
        })
        .build(app)?;
    let mounted = Mounted { tray, open, quiet, quit, icons };
    mounted.put(face)?;
    Ok(mounted)
}

/// A person who asks faster than is answered asks for the same.
fn ask(asked: &mpsc::Sender<Asked>, wanted: Asked) {
    if asked.try_send(wanted).is_err() {
        tracing::debug!("the tray was not heard");
    }
}

fn image(picture: &Picture) -> tauri::image::Image<'_> {
    tauri::image::Image::new(&picture.rgba, picture.width, picture.height)
}

const OPEN: &str = "open";
const QUIET: &str = "do-not-disturb";
const QUIT: &str = "quit";
