//! The built program in real windows: what two people do with it, and what a page cannot do to them.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanyard_tests::hosts::{Host, Lan};
use lanyard_tests::window::Window;

const TEXT: &str = "[data-testid=message-text]";
const OFFER: &str = "[data-testid=offer]";

/// Two people on two hosts, each with a window of their own.
mod together {
    use super::*;

    mod desktop;
    mod hostile;
    mod keep;
    mod settings;
    mod talk;
    mod trust;

    #[tokio::test]
    async fn two_people_meet_and_talk_in_the_lobby_and_directly() {
        let Some(lan) = Lan::or_skip() else { return };
        let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), arrive(&lan, "Bob"));
        ann.see(&person("Bob")).await;
        bob.see(&person("Ann")).await;

        ann.click(LOBBY).await;
        bob.click(LOBBY).await;
        say(&ann, "Good morning, everyone!").await;
        bob.read(TEXT, "Good morning, everyone!").await;
        say(&bob, "Guten Morgen, 早上好").await;
        ann.read(TEXT, "Guten Morgen, 早上好").await;

        // What one person writes is no page of the other's.
        let hostile = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>";
        say(&ann, hostile).await;
        bob.read(TEXT, hostile).await;
        assert_eq!(bob.texts(&format!("{TEXT} img, {TEXT} b")).await, Vec::<String>::new());
        assert_ne!(bob.script("return document.title", &[]).await, "taken");

        ann.click(&person("Bob")).await;
        ann.read("[data-testid=title]", "Bob").await;
        say(&ann, "Only for you").await;
        bob.click(&person("Ann")).await;
        bob.read(TEXT, "Only for you").await;
        say(&bob, "Read by you alone").await;
        ann.read(TEXT, "Read by you alone").await;
        assert!(!ann.texts(TEXT).await.iter().any(|text| text.contains("Good morning")));
    }

    #[tokio::test]
    async fn a_file_dropped_on_a_person_arrives_whole() {
        let Some(lan) = Lan::or_skip() else { return };
        let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), arrive(&lan, "Bob"));
        let file = picture(ann.home(), "Wochenplan für alle.bin");
        let target = ann.middle(&person("Bob")).await;
        ann.display().drag(&file, target);
        ann.see(OFFER).await;
        bob.click(&person("Ann")).await;
        accepted(&bob, &file).await;
        ann.see(&format!("{OFFER}[data-state=done]")).await;
    }

    #[tokio::test]
    async fn a_file_picked_for_a_person_arrives_whole() {
        let Some(lan) = Lan::or_skip() else { return };
        let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), arrive(&lan, "Bob"));
        let file = picture(ann.home(), "plan.bin");
        ann.click(&person("Bob")).await;
        ann.click("[data-testid=attach]").await;
        ann.display().pick(&file);
        ann.see(OFFER).await;
        bob.click(&person("Ann")).await;
        accepted(&bob, &file).await;
        ann.see(&format!("{OFFER}[data-state=done]")).await;
    }

    #[tokio::test]
    async fn whoever_ends_the_program_says_goodbye() {
        let Some(lan) = Lan::or_skip() else { return };
        let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), arrive(&lan, "Bob"));
        bob.see(&person("Ann")).await;
        ann.terminate();
        let told = Instant::now();
        bob.see("[data-testid=person][data-name=Ann][data-online=false]").await;
        // Silence is noticed too, but not as soon.
        assert!(told.elapsed() < Duration::from_secs(8), "only noticed after {:?}", told.elapsed());
        ann.until("the program ends", async || !ann.runs()).await;
    }

    const LOBBY: &str = "[data-testid=room][data-name=lobby]";

    /// Connects a host, opens the program there for the first time, and answers what it asks.
    async fn arrive(lan: &Lan, name: &str) -> Window {
        window_of(&lan.host(&name.to_lowercase()), name).await
    }

    async fn window_of(host: &Host, name: &str) -> Window {
        let window = Window::on(host).await;
        introduce(&window, name).await;
        window
    }

    fn person(name: &str) -> String {
        format!("[data-testid=person][data-name={name}][data-online=true]")
    }

    async fn say(window: &Window, text: &str) {
        window.write("[data-testid=composer]", text).await;
        window.click("[data-testid=send]").await;
        window.read(TEXT, text).await;
    }

    /// A file that no transfer gets right by accident.
    fn picture(folder: &Path, name: &str) -> PathBuf {
        let bytes: Vec<u8> =
            (0u32..3_000_017).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let path = folder.join(name);
        fs::write(&path, bytes).expect("room for the file");
        path
    }

    /// Says yes to the one offer, waits for its end, and compares what is on the disk.
    async fn accepted(window: &Window, sent: &Path) {
        window.see(&format!("{OFFER}[data-state=offered]")).await;
        window.click(&format!("{OFFER} [data-testid=accept]")).await;
        window.see(&format!("{OFFER}[data-state=done]")).await;
        let name = sent.file_name().expect("a file has a name");
        let received = window.home().join("Downloads").join(name);
        assert!(received.is_file(), "{} is not there", received.display());
        let bytes = |path: &Path| fs::read(path).expect("a file that is there can be read");
        assert!(bytes(&received) == bytes(sent), "other bytes than were sent");
    }
}

/// One window, in a network of its own.
mod alone {
    use super::*;

    mod desktop;
    mod settings;

    use serde_json::{Value, json};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    #[tokio::test]
    async fn the_first_run_asks_for_a_name_once() {
        let window = Window::alone().await;
        introduce(&window, "Zoë").await;
        let snapshot = call(&window, json!({ "method": "snapshot", "params": {} })).await;
        assert_eq!(snapshot["answer"]["value"]["me"]["name"], "Zoë");
        assert_eq!(snapshot["answer"]["value"]["me"]["named"], true);
    }

    #[tokio::test]
    async fn nothing_but_our_own_pages_runs_or_is_loaded() {
        let window = Window::alone().await;
        window.see("[data-testid=first-run]").await;
        let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = format!("http://{}", outside.local_addr().unwrap());
        let tried = window.async_script(TRY_EVERYTHING, &[json!(address)]).await;
        assert_eq!(tried["ran"], json!([]), "{tried}");
        assert_eq!(tried["loaded"], json!([]), "{tried}");
        assert!(tried["violations"].as_u64() >= Some(5), "{tried}");
        // Whatever came through would stand before us in the queue.
        let own = TcpStream::connect(outside.local_addr().unwrap()).unwrap();
        let (_, first) = outside.accept().unwrap();
        assert_eq!(first, own.local_addr().unwrap(), "the page reached the outside");
        // The page's own style sheets are not among what was kept out.
        assert_eq!(tried["styled"], true, "{tried}");
    }

    #[tokio::test]
    async fn a_page_has_no_paths_and_no_commands_but_ours() {
        let window = Window::alone().await;
        window.see("[data-testid=first-run]").await;
        let admit = json!({ "method": "admit", "params": { "paths": ["/etc/passwd"] } });
        assert_eq!(call(&window, admit).await["error"]["code"], "refused");
        for link in ["file:///etc/passwd", "javascript:alert(1)", "/etc/passwd", "--help"] {
            assert_eq!(
                invoke(&window, "open_link", json!({ "url": link })).await["error"]["code"],
                "refused"
            );
        }
        for transfer in ["/etc/passwd", "../../../etc/passwd", ""] {
            let read = invoke(&window, "preview", json!({ "transfer": transfer, "shown": "text" })).await;
            assert_eq!(read["error"]["code"], "not-found", "{read}");
        }
        let elsewhere = [
            "plugin:window|create",
            "plugin:webview|create_webview_window",
            "plugin:window|close",
            "plugin:path|resolve_directory",
            "plugin:event|emit",
            "plugin:app|version",
            "plugin:resources|close",
            "plugin:fs|read_text_file",
            "plugin:shell|execute",
            "plugin:opener|open_path",
            "plugin:autostart|enable",
            "plugin:window-state|save_window_state",
            "plugin:notification|notify",
            "plugin:tray|new",
        ];
        for command in elsewhere {
            let outcome = invoke(&window, command, json!({ "path": "/etc/passwd", "rid": 0 })).await;
            assert!(outcome.get("error").is_some(), "{command}: {outcome}");
        }
    }

    #[tokio::test]
    async fn nonsense_is_answered_and_survived() {
        let window = Window::alone().await;
        window.see("[data-testid=first-run]").await;
        let values = [
            Value::Null,
            json!(true),
            json!(-1),
            json!(1e308),
            json!(""),
            json!("\u{0}\u{202e}../../etc/passwd"),
            json!("x".repeat(100_000)),
            json!([]),
            json!([[[[[]]]]]),
            json!({}),
            json!({ "method": "say" }),
            json!({ "method": "say", "params": { "to": 1, "text": [] } }),
            json!({ "method": "say", "params": { "to": "#lobby", "text": "x", "more": 1 } }),
            json!({ "method": "__proto__", "params": null }),
            json!({ "method": "log", "params": { "to": "#lobby", "limit": -1 } }),
            json!({ "method": "offer", "params": { "to": "#lobby", "handles": ["../../etc/passwd"] } }),
            json!({ "method": "accept", "params": { "transfer": "", "into": "/etc" } }),
        ];
        let arguments = [
            ("call", "command"),
            ("subscribe", "channel"),
            ("paste_picture", "png"),
            ("reveal", "transfer"),
            ("open_file", "transfer"),
            ("open_link", "url"),
            ("preview", "transfer"),
            ("preview", "shown"),
            ("speak", "language"),
        ];
        for (command, argument) in arguments {
            for value in &values {
                for payload in [json!({ argument: value }), value.clone()] {
                    // The test is about nonsense; a payload that is no object never leaves the page.
                    let payload = if payload.is_object() { payload } else { json!({ argument: payload }) };
                    let outcome = invoke(&window, command, payload.clone()).await;
                    assert!(outcome.get("error").is_some(), "{command} {payload}: {outcome}");
                }
            }
        }
        assert!(call(&window, json!({ "method": "snapshot", "params": {} })).await.get("answer").is_some());
    }

    #[tokio::test]
    async fn a_pasted_picture_comes_through_as_bytes_under_a_plain_name() {
        let window = Window::alone().await;
        window.see("[data-testid=first-run]").await;
        let script = "const [name, bytes, done] = arguments;
            const headers = { 'picture-name': encodeURIComponent(name) };
            window.__TAURI_INTERNALS__.invoke('paste_picture', new Uint8Array(bytes).buffer, { headers })
                .then((answer) => done({ answer: answer ?? null }), (error) => done({ error: error ?? null }))";
        let png = json!(b"\x89PNG\r\n\x1a\nrest");
        let pasted = window.async_script(script, &[json!("图片 2026-11-29 10.20.30"), png.clone()]).await;
        assert_eq!(pasted["answer"]["name"], "图片 2026-11-29 10.20.30.png", "{pasted}");
        assert_eq!(pasted["answer"]["size"], 12, "{pasted}");
        for (name, bytes) in [("../a", &png), ("a/b", &png), ("", &png), ("a", &json!(b"GIF89a"))] {
            let refused = window.async_script(script, &[json!(name), bytes.clone()]).await;
            assert_eq!(refused["error"]["code"], "invalid", "{name}: {refused}");
        }
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to() {
        let window = Window::alone().await;
        window.see("[data-testid=first-run]").await;
        window.terminate();
        window.until("the program ends", async || !window.runs()).await;
    }

    async fn call(window: &Window, command: Value) -> Value {
        invoke(window, "call", json!({ "command": command })).await
    }

    /// Asks the shell for something in the way that any script in the page could.
    async fn invoke(window: &Window, command: &str, arguments: Value) -> Value {
        let script = "const [command, payload, done] = arguments;
            window.__TAURI_INTERNALS__.invoke(command, payload)
                .then((answer) => done({ answer: answer ?? null }), (error) => done({ error: error ?? null }))";
        window.async_script(script, &[json!(command), arguments]).await
    }

    /// What a script would try that got into the page: to run more, and to reach the outside.
    const TRY_EVERYTHING: &str = r"
        const [outside, done] = arguments;
        const ran = [], loaded = [];
        let violations = 0;
        document.addEventListener('securitypolicyviolation', () => { violations += 1; });
        window.ran = (what) => ran.push(what);
        const add = (tag, attributes) => {
            const element = document.createElement(tag);
            for (const [name, value] of Object.entries(attributes)) element[name] = value;
            element.addEventListener('load', () => { if (tag !== 'iframe') loaded.push(tag); });
            document.body.append(element);
            return element;
        };
        add('script', { textContent: `ran('inline')` });
        add('script', { src: `${outside}/a.js` });
        add('script', { src: `data:text/javascript,ran('data')` });
        add('div', { innerHTML: `<img src=x onerror=ran('handler')>` });
        add('iframe', { srcdoc: `<script>parent.ran('frame')<\/script>` });
        add('iframe', { src: outside });
        add('link', { rel: 'stylesheet', href: `${outside}/a.css` });
        add('img', { src: `${outside}/a.png` });
        add('object', { data: `${outside}/a.pdf` });
        add('a', { href: `javascript:ran('link')` }).click();
        const form = add('form', { action: outside, method: 'post' });
        try { form.submit(); } catch (error) {}
        try { new Worker(`${outside}/a.js`); } catch (error) {}
        try { new WebSocket(outside.replace('http', 'ws')); } catch (error) {}
        try { if (window.open(outside)) loaded.push('window'); } catch (error) {}
        navigator.sendBeacon?.(outside, 'x');
        fetch(outside).then(() => loaded.push('fetch'), () => {})
            .then(() => fetch('file:///etc/passwd')).then(() => loaded.push('file'), () => {})
            .then(() => new Promise((painted) => setTimeout(painted, 500)))
            .then(() => {
                const styled = [...document.styleSheets].some((sheet) => sheet.href?.startsWith(location.origin));
                done({ ran, loaded, violations, styled });
            });
    ";
}

/// Answers what the program asks at its first start.
async fn introduce(window: &Window, name: &str) {
    window.write("[data-testid=first-run-name]", name).await;
    window.click("[data-testid=first-run-start]").await;
    window.see_no("[data-testid=first-run]").await;
}
