//! What somebody else writes, wherever the window shows it, with all that a page could take for more than text.

use lanyard_tests::node::Node;
use lanyard_tests::window::Window;
use serde_json::json;

use super::{LOBBY, Lan, OFFER, TEXT, arrive, person};

#[tokio::test]
async fn whatever_others_write_is_text_in_the_window() {
    let Some(lan) = Lan::or_skip() else { return };
    let ann = arrive(&lan, "Ann").await;
    // A program of one's own says what it likes; this one has no window that could be in the way.
    let bob = Node::up(&lan.host("bob"), &[]);
    let mut control = bob.control();
    ann.see(&person("bob")).await;
    ann.click(LOBBY).await;
    ann.script(WATCH, &[]).await;
    let payloads = payloads();
    assert!(payloads.len() >= 300, "{}", payloads.len());
    for (number, some) in payloads.chunks(10).enumerate() {
        some.iter().for_each(|payload| drop(control.say("#lobby", payload).expect("it is said")));
        let last = format!("that was part {number}");
        control.say("#lobby", &last).expect("it is said");
        ann.read(TEXT, &last).await;
        nothing_came_of(&ann, number).await;
    }
    let short = payloads.iter().filter(|payload| payload.len() <= 48 && !payload.contains('/'));
    let short: Vec<&String> = short.take(25).collect();
    assert_eq!(short.len(), 25);
    for (number, name) in short.into_iter().enumerate() {
        control.call("configure", &json!({ "name": name })).expect("a name like any other");
        let path = bob.host.folder().join(name);
        std::fs::write(&path, b"x").expect("a name like any other");
        let sent = bob.host.run(&["send", "#lobby", path.to_str().expect("Unicode")]);
        assert_eq!(sent.code, Some(0), "{}", sent.stderr);
        control.call("set-topic", &json!({ "room": "#lobby", "topic": name })).expect("it is set");
        let last = format!("that was name {number}");
        control.say("#lobby", &last).expect("it is said");
        ann.read(TEXT, &last).await;
        ann.see(OFFER).await;
        nothing_came_of(&ann, number).await;
    }
}

async fn nothing_came_of(window: &Window, number: usize) {
    let found = window.script(INSPECT, &[]).await;
    let nothing = json!({ "ran": [], "violations": 0, "elements": [], "requests": [] });
    assert_eq!(found, nothing, "in part {number}");
}

/// What is known to have been taken for markup, script or an address somewhere.
fn payloads() -> Vec<String> {
    let mut all = Vec::new();
    for tag in TAGS {
        for before in ["", "<b>", "\">", "'>", "</textarea>", "</script>", "-->"] {
            all.push(format!("{before}<{tag} src=x href=x onerror=alert(1) onload=alert(1)>"));
        }
    }
    all.extend(EVENTS.iter().map(|event| format!("<b on{event}=alert(1) tabindex=1 autofocus>x</b>")));
    for scheme in SCHEMES {
        all.push(format!("[click]({scheme})"));
        all.push(format!("<a href=\"{scheme}\">click</a>"));
        all.push(format!("![x]({scheme})"));
        all.push((*scheme).to_owned());
    }
    all.extend(OTHERS.iter().map(|other| (*other).to_owned()));
    all
}

const TAGS: &[&str] = &[
    "img",
    "script",
    "iframe",
    "object",
    "embed",
    "svg",
    "video",
    "audio",
    "link",
    "style",
    "base",
    "meta",
    "form",
    "input autofocus",
    "body",
    "details open",
    "marquee",
    "math",
    "template",
    "frame",
    "applet",
    "isindex",
    "portal",
    "svg/onload=alert(1)//",
];

const EVENTS: &[&str] = &[
    "click",
    "focus",
    "blur",
    "mouseover",
    "mouseenter",
    "pointerenter",
    "pointerover",
    "animationstart",
    "animationend",
    "transitionend",
    "toggle",
    "beforetoggle",
    "scroll",
    "scrollend",
    "wheel",
    "copy",
    "cut",
    "paste",
    "input",
    "change",
    "invalid",
    "select",
    "submit",
    "reset",
    "keydown",
    "keyup",
    "drag",
    "dragstart",
    "drop",
    "resize",
    "load",
    "error",
    "hashchange",
    "message",
    "pageshow",
    "popstate",
    "begin",
    "finish",
    "start",
    "loadstart",
];

const SCHEMES: &[&str] = &[
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "javascript&colon;alert(1)",
    "&#106;avascript:alert(1)",
    "\u{1}javascript:alert(1)",
    "javascript://%0aalert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "blob:null/1",
    "file:///etc/passwd",
    "tauri://localhost/index.html",
    "ipc://localhost/call",
    "http://ipc.localhost/call",
    "lanyard:v1:inv:aaaa",
    "//10.77.0.2:8000/x.png",
    "http://10.77.0.2:8000/x.png",
    "ftp://10.77.0.2/x",
];

const OTHERS: &[&str] = &[
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "{@html '<img src=x onerror=alert(1)>'}",
    "{alert(1)}",
    "<svelte:head><script>alert(1)</script></svelte:head>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#x3c;img src=x onerror=alert(1)&#x3e;",
    "\\u003cimg src=x onerror=alert(1)\\u003e",
    "%3Cimg%20src=x%20onerror=alert(1)%3E",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=`x`onerror=alert(1)>",
    "<img/src/onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "`<img src=x onerror=alert(1)>`",
    "```html\n<img src=x onerror=alert(1)>\n```",
    "**<img src=x onerror=alert(1)>**",
    "> <img src=x onerror=alert(1)>",
    "- <img src=x onerror=alert(1)>",
    "[<img src=x onerror=alert(1)>](https://a.example)",
    "[a](https://a.example\" onmouseover=\"alert(1))",
    "https://a.example/\"onmouseover=\"alert(1)",
    "https://a.example/'><img src=x onerror=alert(1)>",
    "@<img src=x onerror=alert(1)>",
    "#<img src=x onerror=alert(1)>",
    "<x style=\"animation:x\" onanimationstart=alert(1)>",
    "<style>@import 'http://10.77.0.2:8000/x.css'</style>",
];

/// Notes whatever runs, and whatever the policy has to keep from running: nothing should get so far.
const WATCH: &str = "
    window.found = { ran: [], violations: 0 };
    for (const name of ['alert', 'confirm', 'prompt']) window[name] = () => window.found.ran.push(name);
    document.addEventListener('securitypolicyviolation', () => { window.found.violations += 1; });
";

/// What is in the page that only somebody else can have put there.
const INSPECT: &str = "
    const texts = '[data-testid=message-text], [data-testid=offer-name], [data-testid=person], [data-testid=title]';
    const plain = new Set(['SPAN', 'BDI', 'B', 'STRONG', 'I', 'EM', 'S', 'DEL', 'CODE', 'PRE', 'BLOCKQUOTE', 'UL', 'OL',
        'LI', 'P', 'DIV', 'BR', 'MARK', 'A', 'BUTTON', 'svg', 'path', 'circle', 'rect', 'line', 'polyline', 'g', 'use']);
    const elements = [];
    for (const holder of document.querySelectorAll(texts)) {
        for (const element of holder.querySelectorAll('*')) {
            const names = element.getAttributeNames();
            const leads = element.getAttribute('href');
            if (!plain.has(element.tagName) || names.some((name) => name.startsWith('on') || name === 'src')
                || (leads !== null && !/^(https?|mailto):/.test(leads) && !leads.startsWith('#')))
                elements.push(element.outerHTML.slice(0, 200));
        }
    }
    for (const element of document.querySelectorAll('iframe, object, embed, base, video, audio, form[action], marquee'))
        elements.push(element.outerHTML.slice(0, 200));
    const own = [location.origin, 'ipc:', 'http://ipc.localhost', 'blob:', 'data:'];
    const requests = performance.getEntriesByType('resource').map((entry) => entry.name)
        .filter((name) => !own.some((start) => name.startsWith(start)));
    const { ran, violations } = window.found;
    return { ran, violations, elements, requests };
";
