//! The company that sends notices, and the stand-in for it.

use crate::config::{
    FakeNotices, NoticeCompany, NoticeFlags, notices_account, notices_sms_account,
};
use crate::serving::listen;
use crate::stopping::asked_to_stop;
use anyhow::Context;
use domain::secret::Secret;
use events::notices::company::Company;
use events::notices::message::Template;
use events::notices::nhn::{self, Nhn, Service};
use events::notices::solapi::{self, Solapi};
use reqwest::Url;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the stand-in knows us by, which everybody knows.
const STAND_IN_KEY: &str = "stand-in";
const STAND_IN_SECRET: &str = "stand-in for a message company";

/// The company of these flags; none without an address.
pub(crate) fn of(flags: &NoticeFlags) -> anyhow::Result<Option<Arc<dyn Company>>> {
    let Some(url) = flags.url.clone() else { return Ok(None) };
    let missing = "MARQUEE_NOTICES_KEY and MARQUEE_NOTICES_SECRET: the company would not know us";
    let account = notices_account().context(missing)?;
    let missing = "--notices-sms-url, MARQUEE_NOTICES_SMS_KEY and MARQUEE_NOTICES_SMS_SECRET: texts \
                   are another service of NHN Cloud";
    let texts = || flags.notices_sms_url.clone().zip(notices_sms_account()).context(missing);
    company(flags, (url, account), texts).map(Some)
}

/// The company that the stand-in at this address plays.
pub(crate) fn stand_in(flags: &NoticeFlags, root: &Url) -> anyhow::Result<Arc<dyn Company>> {
    let face = match flags.kind {
        NoticeCompany::Solapi => "solapi/",
        NoticeCompany::Nhn => "nhn/",
    };
    let account = || (STAND_IN_KEY.to_owned(), Secret::from(STAND_IN_SECRET.to_owned()));
    let at = root.join(face)?;
    company(flags, (at.clone(), account()), || Ok((at, account())))
}

/// Where a service is, and what it knows us by.
type Known = (Url, (String, Secret));

fn company(
    flags: &NoticeFlags,
    (base, (api_key, secret)): Known,
    texts: impl FnOnce() -> anyhow::Result<Known>,
) -> anyhow::Result<Arc<dyn Company>> {
    let (sender, from) = (flags.notices_sender.clone(), flags.notices_from.clone());
    let templates = templates(flags)?;
    Ok(match flags.kind {
        NoticeCompany::Solapi => {
            let (api_secret, template_ids) = (secret, templates);
            let account = solapi::Account { base, api_key, api_secret, sender, from, template_ids };
            Arc::new(Solapi::new(account)?)
        }
        NoticeCompany::Nhn => {
            let service = |(base, (app_key, secret)): Known| Service { base, app_key, secret };
            let (alimtalk, sms) = (service((base, (api_key, secret))), service(texts()?));
            let template_codes = templates;
            Arc::new(Nhn::new(nhn::Account { alimtalk, sms, sender, from, template_codes })?)
        }
    })
}

fn templates(flags: &NoticeFlags) -> anyhow::Result<BTreeMap<String, String>> {
    let Some(file) = &flags.notices_templates else { return Ok(BTreeMap::new()) };
    let named = || format!("--notices-templates {}", file.display());
    let text = std::fs::read_to_string(file).with_context(named)?;
    let given: BTreeMap<String, String> = serde_json::from_str(&text).with_context(named)?;
    let known: Vec<String> = Template::all().map(Template::name).collect();
    if let Some(name) = given.keys().find(|name| !known.contains(name)) {
        anyhow::bail!("{}: {name} is none of {}", named(), known.join(", "));
    }
    Ok(given)
}

/// The stand-in alone, with our templates approved; ends on Ctrl-C.
pub(crate) async fn fake_notices(options: FakeNotices) -> anyhow::Result<()> {
    let listener = listen(options.listen, "--listen").await?;
    println!("messages on http://{}", listener.local_addr()?);
    let templates = Template::all().map(|it| (it.name(), it.text().to_owned())).collect();
    let secret = STAND_IN_SECRET.to_owned();
    fake_notices::serve(fake_notices::Options { listener, templates, secret }, async {
        asked_to_stop().await.ok();
    })
    .await
}
