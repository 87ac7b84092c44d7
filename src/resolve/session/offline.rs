//! Whether a tool would be answered, without asking an issuer, a keychain or a person.

use super::{Session, Sources, choose_account, lives, proof};
use crate::model::{ANY_USERNAME, IDENTITY_TOKEN, Request};
use crate::renew;
use crate::store::Stored;

impl Session {
    /// The user name with which a get would answer that sends passwords; none where it would not answer.
    ///
    /// `stored` is what there is of all sessions, of which the secrets may be left out.
    pub(in crate::resolve) fn would_answer(
        &self,
        sources: &Sources,
        stored: &[Stored],
        request: &Request,
    ) -> Option<String> {
        let named = |account: &str| {
            let account = Some(account).filter(|account| !account.is_empty());
            let username = self.username.as_deref().or(account);
            (!self.bearer || self.username.is_some()).then(|| username.unwrap_or(ANY_USERNAME).to_owned())
        };
        if self.variable(sources).ok()?.is_some() {
            return named("");
        }
        let group = self.group();
        let mut own: Vec<Stored> = stored
            .iter()
            .filter(|stored| stored.record.key.group == group)
            .cloned()
            .collect();
        if (own.is_empty() || self.hidden.is_some())
            && let Some((found, _)) = self.synced_file(sources).ok()?
        {
            own = vec![found];
        }
        if own.is_empty() && self.unattended {
            return named("");
        }
        if self.keeps {
            let now = sources.world.now();
            own.retain(|stored| {
                lives(&stored.record, now)
                    && (stored.record.key.account != IDENTITY_TOKEN || request.understands.identity_token)
            });
            self.leave_newest(sources, &mut own, self.account.as_deref(), request);
        }
        let chosen = choose_account(sources, own, self.account.as_deref(), self).ok()?;
        let record = &chosen.record;
        if !self.keeps && !renew::can_serve(sources, self, record) {
            return None;
        }
        proof::of(sources, self, request, record).ok()?;
        named(&record.key.account)
    }
}
