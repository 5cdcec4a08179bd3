//! NHN Cloud: KakaoTalk Bizmessage for AlimTalk, SMS for texts.
//! <https://docs.nhncloud.com/ko/Notification/KakaoTalk%20Bizmessage/ko/alimtalk-api-guide/>,
//! <https://docs.nhncloud.com/ko/Notification/SMS/ko/api-guide/>. AlimTalk refuses a key that it had
//! within ten minutes; for texts nothing of the kind is written down.

use crate::notices::company::{Asked, Company, below, client, handed_over};
use crate::notices::message::Message;
use domain::secret::Secret;
use domain::words::Channel;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use store::notices::{Notice, Sending};

/// So long a key is known, with a minute to spare.
const KEY_KNOWN_FOR: Duration = Duration::from_secs(9 * 60);
/// "The same 'X-NC-API-IDEMPOTENCY-KEY' was used within the last 10 minute."
const KEY_WAS_USED: i64 = -1005;
/// A text's `msgStatus`: failed, delivered, called off, failed as a duplicate.
const TEXT_FAILED: [&str; 3] = ["0", "4", "5"];
const TEXT_DELIVERED: &str = "3";

/// A client of NHN Cloud.
pub struct Nhn {
    account: Account,
    client: Client,
}

/// What is needed to speak with NHN Cloud's two services.
pub struct Account {
    pub alimtalk: Service,
    pub sms: Service,
    /// The KakaoTalk channel that speaks, `senderKey`.
    pub sender: String,
    /// The registered number that texts come from; digits.
    pub from: String,
    /// The codes of our templates, by their names.
    pub template_codes: BTreeMap<String, String>,
}

/// One of its services.
pub struct Service {
    pub base: Url,
    pub app_key: String,
    pub secret: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    is_successful: bool,
    result_code: i64,
}

#[derive(Deserialize)]
struct AlimTalkReply {
    header: Header,
    message: Option<AlimTalk>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlimTalk {
    request_id: String,
    #[serde(default)]
    send_results: Vec<Recipient>,
    #[serde(default)]
    message_status: String,
    #[serde(default)]
    result_code: Option<String>,
}

#[derive(Deserialize)]
struct TextReply {
    header: Header,
    body: Option<TextBody>,
}

#[derive(Deserialize)]
struct TextBody {
    data: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    request_id: String,
    #[serde(default)]
    send_result_list: Vec<Recipient>,
    #[serde(default)]
    msg_status: Option<String>,
    #[serde(default)]
    result_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    recipient_seq: i64,
    result_code: i64,
}

impl Nhn {
    pub fn new(account: Account) -> reqwest::Result<Self> {
        Ok(Self { account, client: client()? })
    }

    async fn alimtalk(&self, notice: &Notice, message: &Message) -> Sending {
        let name = message.template.name();
        let body = json!({
            "senderKey": self.account.sender,
            "templateCode": self.account.template_codes.get(&name).unwrap_or(&name),
            "recipientList": [{
                "recipientNo": message.to, "templateParameter": message.variables,
                "resendParameter": { "isResend": false },
            }],
        });
        let url = self.alimtalk_url(&["messages"]);
        let key = notice.id.as_str();
        let request = self.client.post(url).header("X-NC-API-IDEMPOTENCY-KEY", key).json(&body);
        let reply: AlimTalkReply = match ask(request, &self.account.alimtalk).await {
            Ok(reply) => reply,
            Err(sending) => return sending,
        };
        let results = reply.message.map(|it| (it.request_id, it.send_results));
        taken(&reply.header, results)
    }

    async fn text(&self, message: &Message) -> Sending {
        let body = json!({
            "title": message.template.title(), "body": message.text, "sendNo": self.account.from,
            "recipientList": [{ "recipientNo": message.to }],
        });
        let request = self.client.post(self.text_url(&[])).json(&body);
        let reply: TextReply = match ask(request, &self.account.sms).await {
            Ok(reply) => reply,
            Err(sending) => return sending,
        };
        let results = reply.body.map(|it| (it.data.request_id, it.data.send_result_list));
        taken(&reply.header, results)
    }

    async fn look_up(&self, channel: Channel, receipt: &str) -> Option<Sending> {
        let (request_id, recipient) = receipt.split_once('/')?;
        match channel {
            Channel::AlimTalk => {
                let url = self.alimtalk_url(&["messages", request_id, recipient]);
                let response = self.signed(self.client.get(url), &self.account.alimtalk).await?;
                let message = response.json::<AlimTalkReply>().await.ok()?.message?;
                Some(match message.message_status.as_str() {
                    "COMPLETED" => Sending::Delivered,
                    "FAILED" | "CANCEL" => failed(message.result_code),
                    _ => Sending::UnderWay,
                })
            }
            Channel::Sms => {
                let mut url = self.text_url(&[request_id]);
                url.query_pairs_mut().append_pair("recipientSeq", recipient);
                let response = self.signed(self.client.get(url), &self.account.sms).await?;
                let text = response.json::<TextReply>().await.ok()?.body?.data;
                Some(match text.msg_status.as_deref() {
                    Some(TEXT_DELIVERED) => Sending::Delivered,
                    Some(status) if TEXT_FAILED.contains(&status) => failed(text.result_code),
                    _ => Sending::UnderWay,
                })
            }
        }
    }

    async fn signed(&self, request: RequestBuilder, service: &Service) -> Option<Response> {
        request.header("X-Secret-Key", service.secret.reveal()).send().await.ok()
    }

    fn alimtalk_url(&self, rest: &[&str]) -> Url {
        let Service { base, app_key, .. } = &self.account.alimtalk;
        below(base, &[&["alimtalk", "v2.3", "appkeys", app_key], rest].concat())
    }

    /// Of long messages: ours are longer than the 90 bytes of a short one.
    fn text_url(&self, rest: &[&str]) -> Url {
        let Service { base, app_key, .. } = &self.account.sms;
        below(base, &[&["sms", "v3.0", "appKeys", app_key, "sender", "mms"], rest].concat())
    }
}

async fn ask<T: DeserializeOwned>(
    request: RequestBuilder,
    service: &Service,
) -> Result<T, Sending> {
    let response = handed_over(request.header("X-Secret-Key", service.secret.reveal())).await?;
    let status = response.status();
    let reply: Value = response.json().await.map_err(|_| Sending::Unknown)?;
    serde_json::from_value(reply).map_err(|_| match status.is_client_error() {
        true => Sending::Failed { why: format!("HTTP_{}", status.as_u16()) },
        false => Sending::Unknown,
    })
}

fn taken(header: &Header, results: Option<(String, Vec<Recipient>)>) -> Sending {
    if header.result_code == KEY_WAS_USED {
        // It has the message from before; under which receipt, it does not say.
        return Sending::Taken { receipt: None };
    }
    if !header.is_successful {
        return Sending::Failed { why: header.result_code.to_string() };
    }
    let Some((request_id, results)) = results else { return Sending::Taken { receipt: None } };
    match results.into_iter().next() {
        Some(one) if one.result_code != 0 => Sending::Failed { why: one.result_code.to_string() },
        Some(one) => {
            Sending::Taken { receipt: Some(format!("{request_id}/{}", one.recipient_seq)) }
        }
        None => Sending::Taken { receipt: None },
    }
}

fn failed(code: Option<String>) -> Sending {
    Sending::Failed { why: code.unwrap_or_else(|| "UNSPECIFIED".to_owned()) }
}

impl Company for Nhn {
    fn send<'a>(&'a self, notice: &'a Notice, message: &'a Message) -> Asked<'a> {
        match notice.channel {
            Channel::AlimTalk => Box::pin(self.alimtalk(notice, message)),
            Channel::Sms => Box::pin(self.text(message)),
        }
    }

    fn inquire<'a>(&'a self, channel: Channel, receipt: &'a str) -> Asked<'a> {
        Box::pin(async move { self.look_up(channel, receipt).await.unwrap_or(Sending::UnderWay) })
    }

    fn removes_duplicates(&self, channel: Channel, since: Duration) -> bool {
        channel == Channel::AlimTalk && since < KEY_KNOWN_FOR
    }
}
