"""Stored states: whatever months a log comes in, carried on they are what reading everything gives; and when they may not be."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from helpers import clv
from helpers.data.load import load_tables
from helpers.errors import DataError, ParamsError
from helpers.params import ClientParams
from helpers.running.cli import app
from helpers.states import refresh, refresh_states
from helpers.states.record import NAME

START = datetime(2024, 1, 1)
MONTHS = 4
KEYS = ["customer_id", "x", "first_on", "last_on", "channel"]
SUMS = ["first_value", "total"]


def expand(path, *, key):
    return Path(path)


def params_of(source, table="orders", **more):
    told = {"client": "a", "name": "A", "currency": "GBP", "data": {"tables": {table: {"from": str(source), **more}}}}
    return ClientParams.model_validate(told)


def an_order(number, day, *, who="ann", value=10.0, channel="web", status="paid"):
    return {
        "order_id": f"o{number}",
        "customer_id": who,
        "ordered_at": START + timedelta(days=day, hours=number % 24),
        "revenue": float(value),
        "channel": channel,
        "status": status,
    }


def write(path, rows):
    frame = pd.DataFrame(rows)
    for name in ("order_id", "customer_id", "channel", "status"):
        frame[name] = frame[name].astype("string")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)
    return path


def month(folder, place, rows=None):
    """One month's file; by default ann orders in each month, and somebody new."""
    rows = rows or [an_order(10 * place + 1, 31 * place), an_order(10 * place + 2, 31 * place + 9, who=f"c{place}")]
    return write(folder / f"month={place:02}" / "orders.parquet", rows)


class Client:
    """A client whose months arrive one by one."""

    def __init__(self, base):
        self.log, self.store, self.base = base / "log", base / "states", base
        self.params = params_of(self.log)

    def refresh(self, **more):
        return refresh_states(self.params, folder=self.store, expand=expand, **more)

    def anew(self):
        """What reading everything gives."""
        return refresh_states(self.params, folder=self.base / "anew", expand=expand, whole=True)

    def same(self):
        """Hold the stored states against those made anew, and return them."""
        return equal(self.refresh(), self.anew())


def equal(found, whole):
    one, other = (states.table().order_by("customer_id").execute() for states in (found, whole))
    columns = [column for column in KEYS if column in other.columns]
    pd.testing.assert_frame_equal(one[columns], other[columns])
    pd.testing.assert_frame_equal(one[SUMS], other[SUMS], rtol=0, atol=1e-9)
    assert found.until == whole.until
    assert (found.counts.rows_in, found.counts.rows_kept) == (whole.counts.rows_in, whole.counts.rows_kept)
    assert found.counts.gross == pytest.approx(whole.counts.gross, abs=1e-9)
    assert found.counts.net == pytest.approx(whole.counts.net, abs=1e-9)
    return found


@pytest.fixture
def client(tmp_path):
    made = Client(tmp_path)
    for place in range(2):
        month(made.log, place)
    return made


@st.composite
def logs(draw):
    """A log in months: orders, refunds, cancelled ones, guests, and rows that the checks put aside."""
    number, months = 0, []
    for place in range(draw(st.integers(2, MONTHS))):
        rows = []
        for _turn in range(draw(st.integers(1, 6))):
            number += 1
            rows.append(
                an_order(
                    number,
                    30 * place + draw(st.integers(0, 29)),
                    who=draw(st.sampled_from(["ann", "bob", "cy", None])),
                    value=draw(st.integers(-3000, 9000)) / 100,
                    channel=draw(st.sampled_from(["web", "shop", None])),
                    status=draw(st.sampled_from(["paid", "paid", "cancelled"])),
                )
            )
        # A copy within the month, which the checks put aside.
        months.append(rows + rows[:1] * draw(st.integers(0, 1)) if len(rows) > 3 else rows)
    return months


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(months=logs())
def test_a_log_carried_on_month_by_month_is_what_the_whole_gives(tmp_path_factory, months):
    client = Client(tmp_path_factory.mktemp("client"))
    for place, rows in enumerate(months):
        month(client.log, place, rows)
        found = client.refresh()
        assert len(found.read) == 1
        assert found.whole == (None if place else "nothing was stored yet")
    client.same()


def test_months_that_come_together_are_read_together(client):
    client.refresh()
    month(client.log, 2)
    month(client.log, 3)
    found = client.refresh()
    assert [path.parent.name for path in found.read] == ["month=02", "month=03"]
    assert (found.passed_over, found.whole) == (2, None)
    client.same()


def test_with_nothing_new_nothing_is_read(client):
    first = client.refresh()
    again = client.refresh()
    assert again.read == ()
    assert again.passed_over == 2
    assert again.path == first.path


def test_old_months_are_not_read_again(client):
    client.refresh()
    old = client.log / "month=00" / "orders.parquet"
    told = old.stat()
    content = old.read_bytes()
    # As long and as old as it was, and nothing that could be read.
    old.write_bytes(b"\0" * len(content))
    os.utime(old, ns=(told.st_atime_ns, told.st_mtime_ns))
    month(client.log, 2)
    found = client.refresh()
    assert (len(found.read), found.whole) == (1, None)
    old.write_bytes(content)
    os.utime(old, ns=(told.st_atime_ns, told.st_mtime_ns))
    client.same()


def test_a_file_that_was_only_touched_is_not_read_again(client):
    client.refresh()
    os.utime(client.log / "month=00" / "orders.parquet")
    month(client.log, 2)
    assert client.refresh().whole is None
    client.same()


def test_a_late_order_means_reading_everything(client):
    client.refresh()
    month(client.log, 2, [an_order(90, 3, who="bob"), an_order(91, 70)])
    found = client.refresh()
    assert found.whole == "an order of 2024-01-04 came late: what was stored goes to 2024-02-11"
    assert len(found.read) == 3
    client.same()


def test_an_order_id_that_came_before_means_reading_everything(client):
    client.refresh()
    month(client.log, 2, [an_order(1, 70), an_order(92, 71)])
    found = client.refresh()
    assert found.whole == "1 order ids of the new files came before"
    assert found.counts.rows_kept == found.counts.rows_in - 1
    client.same()


def test_the_id_of_a_row_that_was_put_aside_counts_too(client):
    rows = [an_order(place, 60 + place) for place in range(30, 34)]
    month(client.log, 2, [{**rows[0], "revenue": float("nan")}, *rows[1:]])
    client.refresh()
    month(client.log, 3, [an_order(30, 95), an_order(95, 96)])
    assert client.refresh().whole == "1 order ids of the new files came before"
    client.same()


def test_a_changed_old_file_means_reading_everything(client):
    client.refresh()
    old = month(client.log, 0, [an_order(1, 0, value=99)])
    found = client.refresh()
    assert found.whole == f"{old} changed"
    client.same()


def test_a_file_that_is_gone_means_reading_everything(client):
    client.refresh()
    old = client.log / "month=00" / "orders.parquet"
    old.unlink()
    found = client.refresh()
    assert found.whole == f"{old} is gone"
    assert found.customers == 2
    client.same()


def test_other_columns_mean_reading_everything(client):
    client.refresh()
    path = client.log / "month=02" / "orders.parquet"
    month(client.log, 2)
    frame = pd.read_parquet(path)
    frame.assign(discount=1.0).to_parquet(path, index=False)
    assert client.refresh().whole == "the new files have other columns or types"
    client.same()


def test_other_params_mean_reading_everything(client):
    client.refresh()
    client.params = params_of(client.log, where="revenue > 0")
    assert client.refresh().whole == "params, code or engine are not those that the stored states were made with"


def test_rows_that_lay_in_the_future_mean_reading_everything(client):
    ahead = an_order(60, 0) | {"ordered_at": datetime.now() + timedelta(days=900)}  # noqa: DTZ005 - as the checks do
    month(client.log, 2, [an_order(61, 62), an_order(62, 63), an_order(63, 64), ahead])
    client.refresh()
    month(client.log, 3)
    assert client.refresh().whole == "1 rows lay in the future when they were read"


def test_new_files_that_cannot_stand_alone_are_read_with_the_others(client):
    client.refresh()
    frame = pd.read_parquet(month(client.log, 2))
    frame.head(0).to_parquet(client.log / "month=02" / "orders.parquet", index=False)
    assert client.refresh().whole == "the new files cannot be judged without the others"
    client.same()


def test_a_broken_new_file_is_named_and_what_was_stored_stays(client):
    before = client.refresh()
    content = (client.store / NAME).read_bytes()
    broken = client.log / "month=02" / "orders.parquet"
    broken.parent.mkdir()
    broken.write_bytes(b"no parquet")
    with pytest.raises(DataError, match="month=02"):
        client.refresh()
    assert (client.store / NAME).read_bytes() == content
    broken.unlink()
    assert client.refresh().path == before.path


@pytest.mark.parametrize("moment", ["write_record", "sha256_of"])
def test_a_refresh_that_dies_leaves_what_was_stored(client, monkeypatch, moment):
    client.refresh()
    content = (client.store / NAME).read_bytes()
    month(client.log, 2)
    with monkeypatch.context() as broken:
        broken.setattr(refresh, moment, lambda *_given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            client.refresh()
    assert (client.store / NAME).read_bytes() == content
    found = client.refresh()
    assert (len(found.read), found.whole) == (1, None)
    client.same()
    kept = json.loads((client.store / NAME).read_text())["parts"]
    assert {path.name for path in client.store.glob("*.parquet")} == set(kept)


@pytest.mark.parametrize("part", ["states-", "ids-", NAME])
def test_damaged_states_are_refused_by_name(client, part):
    client.refresh()
    path = next(path for path in client.store.iterdir() if path.name.startswith(part))
    path.write_bytes(path.read_bytes()[:-9] + b"something")
    with pytest.raises(DataError, match=path.name) as told:
        client.refresh()
    assert "refresh with `whole`" in str(told.value)
    assert client.refresh(whole=True).whole == "it was asked for"
    client.same()


def test_states_of_which_a_part_is_gone_are_refused_by_name(client):
    path = client.refresh().path
    path.unlink()
    with pytest.raises(DataError, match=path.name):
        client.refresh()


def test_lines_of_csv_files_are_carried_on_too(tmp_path):
    client = Client(tmp_path)
    client.params = params_of(client.log / "*.csv", "order_lines")
    client.log.mkdir()
    head = "order_id,customer_id,ordered_at,product_id,quantity,unit_price\n"
    for place, lines in enumerate(
        (
            "1,ann,2024-01-05,p,2,10\n1,ann,2024-01-05,q,1,5\n2,bob,2024-01-06,p,1,10\n",
            "3,ann,2024-02-05,p,1,10\n4,ann,2024-02-06,p,-1,10\n",
            "5,bob,2024-03-05,q,3,5\n5,bob,2024-03-05,p,1,10\n6,,2024-03-06,p,1,10\n",
        )
    ):
        (client.log / f"{place}.csv").write_text(head + lines)
        assert client.refresh().whole == (None if place else "nothing was stored yet")
    found = client.same()
    table = found.table().order_by("customer_id").execute()
    assert table["x"].tolist() == [1, 1]
    assert table["total"].tolist() == [35.0, 35.0]
    (client.log / "3.csv").write_text(head + "5,bob,2024-03-09,q,1,5\n")
    assert client.refresh().whole == "1 order ids of the new files came before"
    client.same()


def test_what_comes_back_of_an_order_of_an_older_file_is_a_refund_in_the_states_too(tmp_path):
    client = Client(tmp_path)
    client.params = params_of(client.log / "*.csv", "order_lines")
    client.log.mkdir()
    head = "order_id,customer_id,ordered_at,product_id,quantity,unit_price\n"
    (client.log / "0.csv").write_text(head + "1,ann,2024-01-05,p,2,10\n2,bob,2024-01-06,p,1,10\n")
    client.refresh()
    (client.log / "1.csv").write_text(head + "1,ann,2024-02-05,p,-2,10\n")
    assert client.refresh().whole == "1 order ids of the new files came before"
    assert client.same().counts.gross == 30
    (client.log / "2.csv").write_text(head + "3,bob,2024-02-06,p,1,10\n")
    assert client.refresh().whole is None
    assert client.same().counts.net == 20


@pytest.mark.parametrize("by", ["cohort", "channel"])
def test_the_model_of_stored_states_starts_where_that_of_the_log_does(client, by):
    client.refresh()
    month(client.log, 2, [an_order(40, 62, value=7), an_order(41, 66, value=-4, who="c1"), an_order(42, 70, who="cx")])
    found = client.refresh()
    orders = load_tables(client.params, names=("orders",), expand=expand).kept["orders"]
    until = found.until + timedelta(days=20)
    stored = clv.stored_histories(found.table(), as_of=until, refunds=found.refunds, by=by)
    whole = clv.histories(orders, as_of=until, by=by)
    pd.testing.assert_frame_equal(stored.customers, whole.customers)
    pd.testing.assert_frame_equal(stored.histories, whole.histories)
    assert (stored.groups, stored.as_of) == (whole.groups, whole.as_of)
    assert stored.refunds == pytest.approx(whole.refunds, abs=1e-12)


def test_the_command_says_what_it_read(client, params_folder):
    folder = params_folder(
        "acme", f"client: acme\nname: Acme\ncurrency: GBP\ndata: {{tables: {{orders: {{from: {client.log}}}}}}}\n"
    )

    def run(*more):
        ended = CliRunner().invoke(
            app, ["states", "acme", "--params", str(folder), "--folder", str(client.store), *more]
        )
        assert ended.exit_code == 0, ended.output
        return ended.output

    assert "Everything was read: nothing was stored yet" in run()
    assert "Nothing is new" in run()
    new = month(client.log, 2)
    told = run()
    assert f"read {new}" in told
    assert "2 files were not read again" in told
    assert "Everything was read: it was asked for" in run("--whole")


def test_states_need_files(tmp_path):
    with pytest.raises(ParamsError, match="need files on this machine"):
        refresh_states(params_of("s3://bucket/orders"), folder=tmp_path / "states", expand=expand)
    with pytest.raises(DataError, match="no file at"):
        refresh_states(params_of(tmp_path / "log"), folder=tmp_path / "states", expand=expand)
