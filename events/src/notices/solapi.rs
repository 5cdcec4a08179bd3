//! Solapi (CoolSMS): <https://developers.solapi.com/references/messages>. It removes no duplicates, so
//! what was handed over without an answer is never handed over again.

use crate::notices::company::{Asked, Company, below, client, handed_over};
use crate::notices::message::{Message, Template};
use domain::secret::Secret;
use domain::words::Channel;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use store::notices::{Notice, Sending};

/// The message has arrived.
const ARRIVED: &str = "4000";

/// A client of Solapi.
pub struct Solapi {
    account: Account,
    client: Client,
}

/// What is needed to speak with Solapi.
pub struct Account {
    pub base: Url,
    pub api_key: String,
    pub api_secret: Secret,
    /// The KakaoTalk channel that speaks, `pfId`.
    pub sender: String,
    /// The registered number that texts come from; digits.
    pub from: String,
    /// Its own ids of our templates, by their names.
    pub template_ids: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    #[serde(default)]
    failed_message_list: Vec<Item>,
    #[serde(default)]
    message_list: Option<Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    status_code: String,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    message_list: BTreeMap<String, Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    error_code: String,
}

impl Solapi {
    pub fn new(account: Account) -> reqwest::Result<Self> {
        Ok(Self { account, client: client()? })
    }

    async fn hand_over(&self, notice: &Notice, message: &Message) -> Sending {
        let url = below(&self.account.base, &["messages", "v4", "send-many", "detail"]);
        let body = json!({
            "messages": [self.form(notice, message)], "showMessageList": true, "allowDuplicates": false,
        });
        let request = self.signed(self.client.post(url).json(&body));
        let response = match handed_over(request).await {
            Ok(response) => response,
            Err(sending) => return sending,
        };
        if !response.status().is_success() {
            return match response.json().await {
                Ok(Problem { error_code }) => Sending::Failed { why: error_code },
                Err(_) => Sending::Unknown,
            };
        }
        let Ok(Taken { failed_message_list, message_list }) = response.json().await else {
            return Sending::Unknown;
        };
        if let Some(failed) = failed_message_list.into_iter().next() {
            return Sending::Failed { why: failed.status_code };
        }
        let item = message_list.and_then(|list| list.into_iter().next());
        Sending::Taken { receipt: item.and_then(|item| item.message_id) }
    }

    /// Its own falling back to texts is off: ours also works when AlimTalk is not reached at all.
    fn form(&self, notice: &Notice, message: &Message) -> Value {
        let (to, from) = (&message.to, &self.account.from);
        let fields = json!({ "noticeId": notice.id });
        if notice.channel == Channel::Sms {
            let (text, subject) = (&message.text, message.template.title());
            return json!({
                "to": to, "from": from, "text": text, "subject": subject, "autoTypeDetect": true,
                "customFields": fields,
            });
        }
        let variables: BTreeMap<_, _> =
            message.variables.iter().map(|(name, value)| (format!("#{{{name}}}"), value)).collect();
        json!({
            "to": to, "from": from, "customFields": fields,
            "kakaoOptions": {
                "pfId": self.account.sender, "templateId": self.template_id(message.template),
                "variables": variables, "disableSms": true,
            },
        })
    }

    fn template_id(&self, template: Template) -> String {
        let name = template.name();
        self.account.template_ids.get(&name).cloned().unwrap_or(name)
    }

    async fn look_up(&self, receipt: &str) -> Sending {
        let mut url = below(&self.account.base, &["messages", "v4", "list"]);
        url.query_pairs_mut().append_pair("messageId", receipt);
        let Ok(response) = self.signed(self.client.get(url)).send().await else {
            return Sending::UnderWay;
        };
        match response.json::<Found>().await {
            Ok(mut found) => match found.message_list.remove(receipt) {
                Some(item) if item.status != "COMPLETE" => Sending::UnderWay,
                Some(item) if item.status_code == ARRIVED => Sending::Delivered,
                Some(item) => Sending::Failed { why: item.status_code },
                None => Sending::UnderWay,
            },
            Err(_) => Sending::UnderWay,
        }
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        let date = format!("{:.3}", jiff::Timestamp::now());
        let salt = uuid::Uuid::new_v4().simple().to_string();
        let signature = signature(&self.account.api_secret, &date, &salt);
        let key = &self.account.api_key;
        let proof =
            format!("HMAC-SHA256 apiKey={key}, date={date}, salt={salt}, signature={signature}");
        request.header("authorization", proof)
    }
}

/// Of the date and the salt, in hexadecimal.
fn signature(secret: &Secret, date: &str, salt: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(date.as_bytes());
    mac.update(salt.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a text takes all that is written");
        hex
    })
}

impl Company for Solapi {
    fn send<'a>(&'a self, notice: &'a Notice, message: &'a Message) -> Asked<'a> {
        Box::pin(self.hand_over(notice, message))
    }

    fn inquire<'a>(&'a self, _: Channel, receipt: &'a str) -> Asked<'a> {
        Box::pin(self.look_up(receipt))
    }

    fn removes_duplicates(&self, _: Channel, _: Duration) -> bool {
        false
    }
}
