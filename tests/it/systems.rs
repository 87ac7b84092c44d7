//! The five programs that keyfob is the sign-in subsystem of: one test a row of what they do, each against a double of the
//! service, and the page that says so.

mod bcdock;
mod bcdock_login;
mod bcdock_use;
mod bcdock_who;
mod ccp;
mod ccp_login;
mod ccp_sync;
mod ccp_token;
mod client;
mod clonit;
mod clonit_login;
mod clonit_use;
mod cmdop;
mod cmdop_account;
mod cmdop_key;
mod cmdop_login;
mod cmdop_mode;
mod cmdop_place;
mod family;
mod found;
mod keychain;
mod myclaude;
mod myclaude_login;
mod myclaude_store;
mod myclaude_use;
mod person;
mod program;
mod recorded;
mod row;
mod trouble;
mod trouble_case;
mod trouble_interrupt;
mod trouble_table;

pub use row::SYSTEMS;
use row::{root, rows, written};

/// The numbers of all rows, in order.
fn numbers() -> Vec<(usize, usize)> {
    let of = |(system, (_, count, _)): (usize, &(&str, usize, &str))| (1..=*count).map(move |row| (system, row));
    SYSTEMS.iter().enumerate().flat_map(of).collect()
}

#[test]
fn the_page_has_every_row_once_in_order_and_all_are_held() {
    let page = std::fs::read_to_string(root().join("docs/systems.md")).unwrap();
    let rows = rows();
    let lacking: Vec<_> = numbers()
        .into_iter()
        .filter(|number| !rows.contains_key(number))
        .collect();
    assert!(lacking.is_empty(), "these rows are not on the page: {lacking:?}");
    assert_eq!(rows.len(), 161);
    assert!(rows.values().all(|line| line.ends_with(" | held |")));
    assert!(page == written(&rows), "the page is not as it is generated");
}

#[test]
fn every_row_has_a_test_that_names_it() {
    let mut names = Vec::new();
    for file in std::fs::read_dir(root().join("tests/it/systems")).unwrap().flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let functions = text.split("\nfn row_").skip(1);
        names.extend(functions.map(|rest| {
            let mut parts = rest.split('_').map(|part| part.parse::<usize>().ok());
            (parts.next().flatten().unwrap(), parts.next().flatten().unwrap())
        }));
    }
    names.sort_unstable();
    let lacking: Vec<_> = numbers().into_iter().filter(|number| !names.contains(number)).collect();
    assert!(lacking.is_empty(), "these rows have no test: {lacking:?}");
    assert_eq!(names, numbers());
}
