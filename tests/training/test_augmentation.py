"""Random crops move, mirror and pad as they say."""

import pytest
import torch

from analognn.training.augmentation import crop_and_flip


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(1, 255, (400, 3, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def crops(images: torch.Tensor, seed: int = 1, **options) -> torch.Tensor:
    return crop_and_flip(images, generator=torch.Generator().manual_seed(seed), **options)


def test_nothing_asked_nothing_done(images: torch.Tensor) -> None:
    assert torch.equal(crops(images, padding=0, flip=False), images)


def test_half_of_the_images_are_mirrored(images: torch.Tensor) -> None:
    moved = crops(images, padding=0)
    mirrored = (moved == images.flip(3)).flatten(1).all(1)
    assert ((moved == images).flatten(1).all(1) | mirrored).all()
    assert abs(int(mirrored.sum()) - 200) <= 50  # five standard deviations of a fair coin


def test_crops_reach_every_place_and_fill_with_what_was_asked(images: torch.Tensor) -> None:
    dot = torch.zeros(400, 1, 5, 5)
    dot[:, :, 2, 2] = 1
    places = crops(dot, padding=2, flip=False).flatten(1)
    assert (places.sum(1) == 1).all()  # two pixels either way keep the dot inside
    assert places.sum(0).min() > 2  # 25 places, 16 images each on average
    assert (crops(torch.zeros(50, 1, 4, 4), padding=4, flip=False, fill=7) == 7).any()


def test_same_seed_same_bits_and_type(images: torch.Tensor) -> None:
    assert torch.equal(crops(images), crops(images))
    assert not torch.equal(crops(images), crops(images, seed=2))
    assert crops(images).dtype == torch.uint8
