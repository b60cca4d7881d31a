//! The same bytes get the same answers with the front and without.

use std::{collections::HashSet, sync::Arc};

use tokio::task::JoinSet;

use crate::{both::Both, table::requests};

#[tokio::test]
async fn every_request_gets_the_same_answer() {
    let both = Arc::new(Both::new().await);
    let requests = requests();
    assert_eq!(requests.iter().map(|(name, _)| name).collect::<HashSet<_>>().len(), requests.len());
    let mut different = Vec::new();
    let mut comparing = JoinSet::new();
    for (name, bytes) in requests {
        let both = both.clone();
        comparing.spawn(async move { drop(both.compare(name, &[&bytes[..]]).await) });
        if comparing.len() == 8 {
            different.extend(comparing.join_next().await.and_then(Result::err));
        }
    }
    while let Some(compared) = comparing.join_next().await {
        different.extend(compared.err());
    }
    assert!(different.is_empty(), "{} of them differ", different.len());
}
