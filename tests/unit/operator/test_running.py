"""An image by its digest: only where the node's own name for it can be pulled by everybody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot_operator.policy.running import pinned, same_image

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("image", "image_id", "expected"),
    [
        ("bot:1", f"docker.io/library/bot@{DIGEST}", f"bot@{DIGEST}"),
        ("bot", f"docker.io/library/bot@{DIGEST}", f"bot@{DIGEST}"),
        ("team/bot:1", f"docker.io/team/bot@{DIGEST}", f"team/bot@{DIGEST}"),
        ("docker.io/team/bot:1", f"docker-pullable://docker.io/team/bot@{DIGEST}", f"docker.io/team/bot@{DIGEST}"),
        ("index.docker.io/team/bot:1", f"docker.io/team/bot@{DIGEST}", f"index.docker.io/team/bot@{DIGEST}"),
        ("registry.example:5000/bot:1", f"registry.example:5000/bot@{DIGEST}", f"registry.example:5000/bot@{DIGEST}"),
        ("registry.example:5000/bot", f"registry.example:5000/bot@{DIGEST}", f"registry.example:5000/bot@{DIGEST}"),
        ("localhost/bot:1", f"localhost/bot@{DIGEST}", f"localhost/bot@{DIGEST}"),
        (f"bot@sha256:{'b' * 64}", f"docker.io/library/bot@{DIGEST}", f"bot@sha256:{'b' * 64}"),
        ("bot:1", DIGEST, None),
        ("bot:1", "", None),
        ("bot:1", f"docker.io/library/import-2026-11-25@{DIGEST}", None),
        ("bot:1", f"registry.example/bot@{DIGEST}", None),
        ("team/bot:1", f"docker.io/library/bot@{DIGEST}", None),
        ("bot:1", "docker.io/library/bot@sha256:short", None),
        ("bot:1", f"docker.io/library/bot@{DIGEST}0", None),
    ],
)
def test_the_name_by_which_everybody_gets_the_same(image: str, image_id: str, expected: str | None) -> None:
    assert pinned(image, image_id) == expected


@given(image=st.text(max_size=30), image_id=st.text(max_size=30) | st.just(f"docker.io/library/bot@{DIGEST}"))
def test_whatever_a_node_says_what_comes_of_it_names_a_digest_or_nothing(image: str, image_id: str) -> None:
    found = pinned(image, image_id)
    assert found is None or "@" in found


def test_the_same_image_by_another_name_is_the_same() -> None:
    assert same_image(f"docker.io/library/bot@{DIGEST}", f"mirror.example/bot@{DIGEST}")
    assert same_image("sha256:aa", "sha256:aa")
    assert not same_image(f"bot@{DIGEST}", f"bot@sha256:{'b' * 64}")
    assert not same_image(None, None)
    assert not same_image("", "")
