"""The `mirror.toml` that `init` writes."""

from __future__ import annotations

import pytest

from mirror.config import load_config
from mirror.generators import PublicFolder
from mirror.pipeline.init import PostHost, configuration, propose


def test_storage_hosts_come_before_the_most_used_one():
    hosts = [
        PostHost("i.example", 99),
        PostHost("b.oss-cn-beijing.aliyuncs.com", 3),
        PostHost("x.r2.dev", 5),
    ]
    proposal = propose(hosts, (), "")
    assert [host.name for host in proposal.sources] == [
        "x.r2.dev",
        "b.oss-cn-beijing.aliyuncs.com",
    ]
    assert [host.name for host in propose(hosts[:1], (), "").sources] == ["i.example"]
    owned = propose(hosts, owned=["i.example"], own="")
    assert next(host.name for host in owned.sources) == "i.example"


def test_the_site_itself_is_a_source_only_where_there_is_no_other_host():
    site, other = PostHost("me.example", 50), PostHost("i.example", 2)
    proposal = propose([site, other], (), own="me.example")
    assert (proposal.sources, proposal.own) == ((other,), (site,))
    assert not proposal.question(other)
    proposal = propose([site], (), own="me.example")
    assert (proposal.sources, proposal.own) == ((site,), (site,))
    assert proposal.question(site).startswith("it is the site itself")
    assert not propose([site], owned=["me.example"], own="me.example").question(site)


def test_a_bucket_with_few_images_beside_a_large_one_is_to_be_checked():
    mine, quoted = PostHost("b.oss-cn-beijing.aliyuncs.com", 61), PostHost("s3.amazonaws.com/g", 3)
    assert propose([mine, quoted], (), "").doubtful == {quoted}
    assert not propose([mine, quoted], owned=[quoted.name], own="").doubtful
    assert not propose([mine, PostHost(quoted.name, 4)], (), "").doubtful
    assert not propose([quoted], (), "").doubtful
    beside = propose([quoted, PostHost("i.example", 61)], (), "")
    assert (beside.sources, beside.doubtful) == ((quoted,), {quoted})
    text = configuration(
        propose([mine, quoted], (), ""),
        ["posts"],
        PublicFolder("", "s", "/s"),
        None,
        follows_links=False,
    )
    assert 'match = ["https://s3.amazonaws.com/g/"]   # 3 images; CHECK THIS: is it yours?' in text
    assert text.count("is it yours") == 1


@pytest.mark.parametrize("name", ['we"ird', "back\\slash", "图"])
def test_a_hostile_path_cannot_break_out_of_its_string(name, tmp_path):
    hosts = propose([PostHost("i.example", 1), PostHost("i.other", 1)], (), "")
    text = configuration(hosts, [name], PublicFolder("", "s", "/s"), None, follows_links=False)
    (tmp_path / "mirror.toml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "mirror.toml").posts.paths == (tmp_path / name,)
