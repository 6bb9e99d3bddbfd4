//! Memory and shares: what is out is what somebody holds, and nobody holds more than was granted.

use tide_engine::Survey;
use tide_engine::survey::{CrewErrand, Errand, LeaseStage, RoleSurvey, Stock, StockSurvey};

use super::oracle::{Compared, ensure};

/// No more is used than was granted.
pub(super) fn within_grants(stocks: &[StockSurvey]) -> Compared {
    for stock in stocks {
        ensure(stock.used <= stock.granted, || {
            format!("{:?}: {} in use of {} granted", stock.stock, stock.used, stock.granted)
        })?;
    }
    Ok(stocks.iter().filter(|stock| stock.used > 0).count() as u64)
}

/// The memory that is out is what leases hold and what went with jobs.
pub(super) fn memory_balance(survey: &Survey) -> Compared {
    let leases = || survey.crews.iter().flat_map(|crew| &crew.leases);
    let held: u64 = leases().map(|lease| lease.held()).sum();
    let jobs: u64 = survey.desk.jobs.iter().map(|job| job.memory).sum();
    let out = survey.desk.memory;
    ensure(held + jobs == out, || {
        format!("{out} bytes of memory are out, of which leases hold {held} and jobs {jobs}")
    })?;
    // What leases have lent is what jobs for them have.
    let lent: u64 = leases().map(|lease| lease.memory() - lease.held()).sum();
    let for_leases = |errand: &Errand| match errand {
        Errand::Crew(crew, errand) => {
            !matches!(errand, CrewErrand::Serve { .. }) && survey.crews.iter().any(|known| known.key == *crew)
        }
        Errand::Torrent(..) | Errand::Session(_) => false,
    };
    let borrowed: u64 =
        survey.desk.jobs.iter().filter(|job| for_leases(&job.errand)).map(|job| job.memory).sum();
    // What was written has gone home, and its lease says so only when all of it is.
    let writing = leases().any(|lease| lease.stage == LeaseStage::Writing);
    ensure(lent == borrowed || (writing && lent > borrowed), || {
        format!("leases have lent {lent} bytes, and jobs for them have {borrowed}")
    })?;
    Ok(u64::from(out > 0))
}

/// What is used of each share is what is held.
pub(super) fn shares_balance(survey: &Survey) -> Compared {
    within_grants(&survey.desk.stocks)?;
    let members = || survey.crews.iter().flat_map(|crew| &crew.members);
    let reads: u64 = survey.desk.jobs.iter().map(|job| reading(&job.errand)).sum();
    let lent: u64 = members().map(|member| member.lent - member.reading.min(member.lent)).sum();
    let conns = |which: fn(RoleSurvey) -> bool| {
        survey.desk.conns.iter().filter(|conn| which(conn.role)).count() as u64
    };
    let (half_open, strangers) = (conns(RoleSurvey::is_half_open), conns(RoleSurvey::is_strangers));
    let peers = half_open + strangers + conns(is_member);
    let held = [
        (Stock::Memory, survey.desk.memory),
        (Stock::UploadMemory, lent + reads),
        (Stock::Peers, peers),
        (Stock::HalfOpen, half_open),
        (Stock::Strangers, strangers),
    ];
    for (stock, held) in held {
        let used = survey.desk.stock(stock).used;
        ensure(used == held, || format!("{stock:?}: {used} in use, and {held} are held"))?;
    }
    for member in members() {
        ensure(member.reading <= member.lent, || {
            format!("{}: {} bytes being read of {} lent", member.addr, member.reading, member.lent)
        })?;
    }
    Ok(held.iter().filter(|(_, held)| *held > 0).count() as u64)
}

fn reading(errand: &Errand) -> u64 {
    match errand {
        Errand::Crew(_, CrewErrand::Serve { cover, .. }) => u64::from(cover.len),
        _ => 0,
    }
}

fn is_member(role: RoleSurvey) -> bool {
    matches!(role, tide_engine::survey::RoleSurvey::Member(..))
}

/// Together the shards were granted no more than there is. (Less is on its way by mail.)
pub(super) fn session_shares(surveys: &[Survey]) -> Compared {
    let Some(treasury) = surveys.iter().find_map(|survey| survey.treasury) else { return Ok(0) };
    let mut compared = 0;
    for (stock, all, left) in treasury.stocks {
        let granted: u64 = surveys.iter().map(|survey| survey.desk.stock(stock).granted).sum();
        ensure(granted + left <= all, || {
            format!("{stock:?}: {granted} granted and {left} left make more than {all}")
        })?;
        compared += u64::from(granted > 0);
    }
    Ok(compared)
}
