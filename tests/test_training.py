"""The network of docs/training.md beside PyTorch, from the same start and in the same order of pictures."""

from __future__ import annotations

import doctest
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import peer

PAGE = Path(__file__).resolve().parent.parent / "docs" / "training.md"


@pytest.fixture(scope="module")
def page():
    """What the page's lines leave behind; that they print what they show is tested with all pages."""
    pytest.importorskip("sklearn", reason="scikit-learn's digits are in the extra [test]")
    names: dict = {}
    for example in doctest.DocTestParser().get_examples(PAGE.read_text(encoding="utf-8")):
        exec(compile(example.source, str(PAGE), "exec"), names)
    return SimpleNamespace(**names)


def twin(torch, page, parameters):
    """The page's network as a PyTorch module with these parameters."""
    nn = torch.nn
    blocks, (w, b) = parameters
    layers = []
    for (weights, _), stride in zip(blocks, page.STRIDES, strict=True):
        out, inside = weights.shape[:2]
        layers += [nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 10, 1), nn.Flatten())
    net = net.to(torch.from_numpy(w).dtype)
    with torch.no_grad():
        for i, (weights, _) in enumerate(blocks):
            net[3 * i].weight.copy_(torch.from_numpy(weights))
        net[-2].weight.copy_(torch.from_numpy(w))
        net[-2].bias.copy_(torch.from_numpy(b))
    return net


def trained(torch, net, page, x, t, order, rate=0.5):
    """The losses of plain gradient descent."""
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=rate), []
    net.train()
    for batch in order:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(x[batch])), torch.from_numpy(t[batch]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_same_accuracy_as_pytorch(page):
    torch = peer("torch")
    assert page.accuracy > 0.97
    net = twin(torch, page, page.start(np.random.default_rng(0)))
    order = page.batches(len(page.x), 4, np.random.default_rng(1))
    losses = trained(torch, net, page, page.x, page.t, order)
    np.testing.assert_allclose(page.losses[:20], losses[:20], rtol=1e-3)
    assert abs(np.mean(page.losses[-20:]) - np.mean(losses[-20:])) < 0.02
    net.eval()
    with torch.no_grad():
        theirs = net(torch.from_numpy(page.images[page.unseen])).argmax(1).numpy()
    accuracy = (theirs == page.labels[page.unseen]).mean()
    assert abs(accuracy - page.accuracy) <= 3 / page.unseen.sum()


def test_in_float64_step_by_step(page):
    """Losses, weights and running statistics of 26 steps agree to the digits that float64 leaves."""
    torch = peer("torch")
    x = page.x.astype(np.float64)
    parameters = page.start(np.random.default_rng(2), np.float64)
    net = twin(torch, page, parameters)
    order = list(page.batches(len(x), 1, np.random.default_rng(3)))
    ours = []
    for batch in order:
        parameters, loss = page.step(parameters, x[batch], page.t[batch])
        ours.append(loss)
    np.testing.assert_allclose(ours, trained(torch, net, page, x, page.t, order), rtol=1e-9)
    blocks, (w, b) = parameters
    for i, (weights, norm) in enumerate(blocks):
        theirs = net[3 * i + 1]
        pairs = [
            (weights, net[3 * i].weight), (norm.scale, theirs.weight), (norm.bias, theirs.bias),
            (norm.mean, theirs.running_mean), (norm.var, theirs.running_var),
        ]  # fmt: skip
        for mine, other in pairs:
            np.testing.assert_allclose(mine, other.detach().numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(w, net[-2].weight.detach().numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(b, net[-2].bias.detach().numpy(), rtol=0, atol=1e-9)
    net.eval()
    seen = page.images[page.unseen].astype(np.float64)
    with torch.no_grad():
        theirs = net(torch.from_numpy(seen)).argmax(1).numpy()
    assert np.array_equal(page.predict(parameters, seen), theirs)
