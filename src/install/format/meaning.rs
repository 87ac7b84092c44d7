//! What a configuration means, whatever its format: texts, lists, and maps without an order.
//!
//! It takes a change out of a meaning and says where two meanings differ. It knows no format and no text.

/// What a configuration, or a part of it, means.
#[derive(Debug, Clone)]
pub(super) enum Meaning {
    /// A text, a number, whatever has no parts; spelled in one way by its format's reader.
    Text(String),
    List(Vec<Meaning>),
    /// Each name stands once.
    Map(Vec<(String, Meaning)>),
}

impl PartialEq for Meaning {
    fn eq(&self, other: &Meaning) -> bool {
        match (self, other) {
            (Meaning::Text(one), Meaning::Text(other)) => one == other,
            // Items with names are found by those, in whatever order.
            (Meaning::List(one), Meaning::List(other)) if are_named(one) && are_named(other) => {
                one.len() == other.len() && one.iter().all(|item| other.contains(item))
            }
            (Meaning::List(one), Meaning::List(other)) => one == other,
            (Meaning::Map(one), Meaning::Map(other)) => {
                one.len() == other.len() && one.iter().all(|(name, value)| get(other, name) == Some(value))
            }
            _ => false,
        }
    }
}

/// One step on the way to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Item(usize),
}

/// What is to be done at a place.
#[derive(Debug)]
pub(super) enum Edit<'m> {
    Remove,
    Replace(&'m Meaning),
    Insert(&'m Meaning),
}

type Members = [(String, Meaning)];

fn get<'m>(members: &'m Members, name: &str) -> Option<&'m Meaning> {
    members.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

fn are_named(items: &[Meaning]) -> bool {
    items.iter().all(|item| item.name().is_some())
}

impl Meaning {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Meaning::Text(_) => false,
            Meaning::List(items) => items.is_empty(),
            Meaning::Map(members) => members.is_empty(),
        }
    }

    /// Sets a member, as often as it stands: the last counts.
    pub(super) fn set(members: &mut Vec<(String, Meaning)>, name: String, value: Meaning) {
        match members.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => members.push((name, value)),
        }
    }

    /// The name by which an item of a list is found, whatever else is in it.
    fn name(&self) -> Option<&str> {
        match self {
            Meaning::Map(members) => match get(members, "name")? {
                Meaning::Text(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is the same item of a list, which may have changed if it has a name.
    fn is_same_item(&self, other: &Meaning) -> bool {
        self.name().is_some_and(|name| other.name() == Some(name)) || self == other
    }

    /// Whether it names keyfob anywhere.
    fn names_us(&self) -> bool {
        match self {
            Meaning::Text(text) => text.contains("keyfob"),
            Meaning::List(items) => items.iter().any(Meaning::names_us),
            Meaning::Map(members) => members.iter().any(member_names_us),
        }
    }
}

fn member_names_us((name, value): &(String, Meaning)) -> bool {
    name.contains("keyfob") || value.names_us()
}

/// What is left of `now` when the change from `before` to `after` is taken out: each place that the change touched is what
/// it was before, the rest stays. What somebody has removed stays away.
///
/// The outer none: somebody has set another value at such a place.
pub(super) fn without(
    before: Option<&Meaning>,
    after: Option<&Meaning>,
    now: Option<&Meaning>,
) -> Option<Option<Meaning>> {
    use Meaning::{List, Map};
    if before == after || now == before {
        return Some(now.cloned());
    }
    match (before, after, now) {
        (_, Some(_), None) => Some(None),
        (Some(Map(before)), Some(Map(after)), Some(Map(now))) => {
            members_without(before, after, now).map(|left| Some(Map(left)))
        }
        (None, Some(Map(after)), Some(Map(now))) => {
            let left = members_without(&[], after, now)?;
            // What we put around ours goes with the last of the others.
            let is_frame = |name: &str| {
                let made = after.iter().find(|(made, _)| made == name);
                made.is_some_and(|made| !member_names_us(made)) && after.iter().any(member_names_us)
            };
            let kept = now
                .iter()
                .filter_map(|(name, value)| match get(&left, name) {
                    Some(value) => Some((name.clone(), value.clone())),
                    None => is_frame(name).then(|| (name.clone(), value.clone())),
                })
                .collect();
            Some((!left.is_empty()).then_some(Map(kept)))
        }
        (Some(List(before)), Some(List(after)), Some(List(now))) => {
            items_without(before, after, now).map(|left| Some(List(left)))
        }
        (None, Some(List(after)), Some(List(now))) => {
            let left = items_without(&[], after, now)?;
            // What says nothing is no one's default.
            let is_ours = |item: &&Meaning| item.names_us() || **item == Meaning::Text(String::new());
            let ours: Vec<Meaning> = after.iter().filter(is_ours).cloned().collect();
            if left.is_empty() {
                Some(None)
            } else if ours.is_empty() {
                Some(Some(List(left)))
            } else {
                items_without(&[], &ours, now).map(|left| Some(List(left)))
            }
        }
        _ => (now == after).then(|| before.cloned()),
    }
}

fn members_without(before: &Members, after: &Members, now: &Members) -> Option<Vec<(String, Meaning)>> {
    let gone = before.iter().filter(|(name, _)| get(now, name).is_none());
    let mut left = Vec::new();
    for (name, _) in now.iter().chain(gone) {
        if let Some(value) = without(get(before, name), get(after, name), get(now, name))? {
            left.push((name.clone(), value));
        }
    }
    Some(left)
}

fn items_without(before: &[Meaning], after: &[Meaning], now: &[Meaning]) -> Option<Vec<Meaning>> {
    let (mut left, mut removed) = (now.to_vec(), before.to_vec());
    for item in after {
        let old = removed.iter().position(|old| old.is_same_item(item));
        let old = old.map(|at| removed.remove(at));
        if old.as_ref() == Some(item) {
            continue;
        }
        // The last: ours were put behind the others.
        let Some(at) = left.iter().rposition(|found| found.is_same_item(item)) else {
            let is_theirs = |found: &Meaning| !before.contains(found) && !after.contains(found);
            // It is there still, and somebody has changed it.
            if item.name().is_none() && left.iter().any(|found| is_theirs(found) && found.names_us()) {
                return None;
            }
            continue;
        };
        match without(old.as_ref(), Some(item), Some(&left[at]))? {
            Some(value) if old.is_some() => left[at] = value,
            // Somebody's addition to what is ours alone.
            Some(_) => return None,
            None => drop(left.remove(at)),
        }
    }
    for item in removed {
        match left.iter().find(|found| found.is_same_item(&item)) {
            Some(found) if *found == item => continue,
            Some(_) => return None,
            None => (),
        }
        let place = before.iter().position(|other| *other == item)?;
        let behind = before[..place].iter().rev().find_map(|other| {
            let at = left.iter().rposition(|found| found.is_same_item(other));
            at.map(|at| at + 1)
        });
        left.insert(behind.unwrap_or(0), item);
    }
    Some(left)
}

/// The first place at which `from` is not `to`, and what makes it so; none where they mean the same.
pub(super) fn difference<'m>(from: &Meaning, to: &'m Meaning, path: &mut Vec<Step>) -> Option<Edit<'m>> {
    match (from, to) {
        _ if from == to => None,
        (Meaning::Map(from), Meaning::Map(to)) => {
            for (name, value) in from {
                let wanted = get(to, name);
                if wanted != Some(value) {
                    path.push(Step::Member(name.clone()));
                    return wanted.map_or(Some(Edit::Remove), |wanted| difference(value, wanted, path));
                }
            }
            let (name, value) = to.iter().find(|(name, _)| get(from, name).is_none())?;
            path.push(Step::Member(name.clone()));
            Some(Edit::Insert(value))
        }
        (Meaning::List(from), Meaning::List(to)) if are_named(from) && are_named(to) => {
            let of = |items: &'m [Meaning], item: &Meaning| items.iter().find(|other| other.is_same_item(item));
            if let Some(at) = from.iter().position(|item| of(to, item) != Some(item)) {
                path.push(Step::Item(at));
                return of(to, &from[at]).map_or(Some(Edit::Remove), |wanted| difference(&from[at], wanted, path));
            }
            let at = to.iter().position(|item| !from.contains(item))?;
            path.push(Step::Item(at));
            Some(Edit::Insert(&to[at]))
        }
        (Meaning::List(from), Meaning::List(to)) => {
            let at = (0..).find(|at| from.get(*at) != to.get(*at))?;
            path.push(Step::Item(at));
            match (from.get(at), to.get(at)) {
                (Some(one), _) if !to[at..].contains(one) => Some(Edit::Remove),
                (_, Some(other)) => Some(Edit::Insert(other)),
                (_, None) => Some(Edit::Remove),
            }
        }
        _ => Some(Edit::Replace(to)),
    }
}
