from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.generated import noise, write_images
from tests.vae.data.test_image_arrays import stored
from vae.data.image_folders import image_folder, list_images
from vae.errors import BadInput


def test_a_flat_folder_in_the_order_of_names(tmp_path: Path) -> None:
    images = noise(24, 6, 5, 3)
    write_images(tmp_path / "faces", images)
    (tmp_path / "faces" / "readme.txt").write_text("none")
    (tmp_path / "faces" / ".hidden.png").write_bytes(b"")
    found = image_folder(tmp_path / "faces")
    assert np.array_equal(stored(found), images.transpose(0, 3, 1, 2))
    assert found.labels() is None
    data_set = found.describe()
    assert (data_set.train_size, data_set.test_size) == (20, 4)
    assert "1 files are neither PNG nor JPEG" in data_set.notes[0]
    assert "the last 4 of its 24" in data_set.notes[1]


def test_train_test_and_val_folders_with_classes(tmp_path: Path) -> None:
    sizes = {"train": 12, "test": 4, "val": 2}
    for part, n in sizes.items():
        for k, name in enumerate(("cat", "dog")):
            write_images(tmp_path / part / name, noise(n, 6, 6, seed=10 * k + n))
    found = image_folder(tmp_path)
    data_set = found.describe()
    assert (data_set.train_size, data_set.val_size, data_set.test_size) == (28, 4, 8)
    labels = found.labels()
    assert labels is not None
    assert labels.tolist() == [0, 1] * 18, "the classes in turn"
    assert np.array_equal(stored(found)[1, 0], noise(12, 6, 6, seed=22)[0])


def test_classes_of_unequal_size_are_in_their_proportions_in_the_last_sixth(tmp_path: Path) -> None:
    for name, n in (("many", 60), ("few", 12)):
        write_images(tmp_path / name, noise(n, 4, 4))
    found = image_folder(tmp_path)
    labels, data_set = found.labels(), found.describe()
    assert labels is not None
    test = labels[data_set.train_size :]
    assert len(test) == 12
    assert (test == 0).sum() == 2, "'few' is the first by name"


def test_the_option_size_crops_the_middle_and_scales(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (200, 100, 50)
    for i in range(12):
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    Image.fromarray(wide.transpose(1, 0, 2).copy()).save(tmp_path / "tall.png")
    found = image_folder(tmp_path, size=8)
    images = stored(found)
    assert images.shape == (13, 3, 8, 8)
    assert np.abs(images[0].reshape(3, -1) - [[200], [100], [50]]).max() <= 1
    assert np.array_equal(images[0], images[-1].transpose(0, 2, 1))


def test_jpeg_palettes_bits_and_turned_cameras(tmp_path: Path) -> None:
    """Each becomes gray or colour as a person sees it."""
    colour = Image.fromarray(noise(1, 8, 8, 3)[0])
    colour.quantize(16).save(tmp_path / "palette.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:4] = 255
    Image.fromarray(stripes).save(tmp_path / "turned.jpg", exif=exif, quality=100)
    for i in range(12):
        colour.save(tmp_path / f"x{i}.JPEG")
    images = stored(image_folder(tmp_path))
    palette, turned = images[0], images[1]
    assert palette.shape == (3, 8, 8)
    assert turned[:, :, 4:].min() > 200
    assert turned[:, :, :4].max() < 50

    bits = tmp_path / "bits"
    for i in range(12):
        bits.mkdir(exist_ok=True)
        Image.fromarray(noise(1, 8, 8)[0] > 127).save(bits / f"{i}.png")
    assert set(np.unique(stored(image_folder(bits)))) == {0, 255}


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    write_images(tmp_path / "elsewhere", noise(12, 4, 4))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").symlink_to(tmp_path / "elsewhere")
    assert len(list(list_images(tmp_path / "data").files())) == 12


def bad_folder(case: str, folder: Path) -> tuple[Path, str]:
    """Returns the folder and the file or folder that the line has to name."""
    root = folder / "faces"
    write_images(root, noise(20, 8, 8, 3))
    victim = root / "00007.png"
    if case == "missing":
        shutil.rmtree(root)
        return root, "faces"
    if case == "a file":
        return victim, "00007.png"
    if case == "empty":
        shutil.rmtree(root)
        root.mkdir()
        return root, "faces"
    if case == "no images":
        for path in root.iterdir():
            path.rename(path.with_suffix(".gif"))
        return root, "faces"
    if case == "truncated":
        victim.write_bytes(victim.read_bytes()[:150])
    elif case == "empty file":
        victim.write_bytes(b"")
    elif case == "text":
        victim.write_text("no image")
    elif case == "broken chunk":
        content = bytearray(victim.read_bytes())
        content[40:60] = b"\0" * 20
        victim.write_bytes(bytes(content))
    elif case == "first is broken":
        victim = root / "00000.png"
        victim.write_bytes(b"\x89PNG\r\n\x1a\n")
    elif case == "a GIF inside":
        Image.fromarray(noise(1, 8, 8)[0]).save(victim, format="GIF")
    elif case == "PostScript":
        victim.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    elif case == "other size":
        Image.fromarray(noise(1, 8, 9, 3)[0]).save(victim)
    elif case == "one channel among three":
        Image.fromarray(noise(1, 8, 8)[0]).save(victim)
    elif case == "transparent":
        Image.fromarray(noise(1, 8, 8, 4)[0], mode="RGBA").save(victim)
    elif case == "16 bits":
        Image.fromarray(noise(1, 8, 8)[0].astype(np.uint16) * 200).save(victim)
    elif case == "CMYK":
        victim = root / "00007.jpg"
        Image.fromarray(noise(1, 8, 8, 4)[0], mode="CMYK").save(victim)
    elif case == "too few":
        for path in sorted(root.iterdir())[2:]:
            path.unlink()
        victim = root
    elif case == "test without train":
        write_images(root / "test", noise(3, 8, 8, 3))
        victim = root
    elif case == "images beside train":
        write_images(root / "train", noise(3, 8, 8, 3))
        victim = root / "00000.png"
    elif case == "folders beside train":
        shutil.rmtree(root)
        write_images(root / "train", noise(12, 8, 8))
        victim = root / "more"
        write_images(victim, noise(3, 8, 8))
    elif case == "images beside classes":
        write_images(root / "cat", noise(3, 8, 8, 3))
        victim = root / "00000.png"
    elif case == "folders in classes":
        shutil.rmtree(root)
        victim = root / "cat" / "old"
        write_images(victim, noise(3, 8, 8))
    elif case == "empty class":
        shutil.rmtree(root)
        write_images(root / "cat", noise(12, 8, 8))
        victim = root / "dog"
        victim.mkdir()
    elif case == "empty test":
        shutil.rmtree(root)
        write_images(root / "train", noise(12, 8, 8))
        victim = root / "test"
        victim.mkdir()
    elif case == "unlike in test":
        shutil.rmtree(root)
        write_images(root / "train", noise(12, 8, 8))
        write_images(root / "test", noise(3, 9, 9))
        victim = root / "test" / "00000.png"
    elif case == "a dangling link":
        victim.unlink()
        victim.symlink_to(folder / "nowhere.png")
    return root, str(victim)


BAD = {
    "missing": "No such file",
    "a file": "Not a directory",
    "empty": "holds no PNG or JPEG files",
    "no images": "holds no PNG or JPEG files",
    "truncated": "cannot be read as PNG or JPEG",
    "empty file": "cannot be read as PNG or JPEG",
    "text": "cannot be read as PNG or JPEG",
    "broken chunk": "cannot be read as PNG or JPEG",
    "first is broken": "cannot be read as PNG or JPEG",
    "a GIF inside": "cannot be read as PNG or JPEG",
    "PostScript": "cannot be read as PNG or JPEG",
    "other size": "is 8 × 9 pixels, and",
    "one channel among three": "is gray, and",
    "transparent": "transparent",
    "16 bits": "of mode I;16",
    "CMYK": "of mode CMYK",
    "too few": "too few images",
    "test without train": "no folder train",
    "images beside train": "lies beside",
    "folders beside train": "lies beside",
    "images beside classes": "lies beside folders",
    "folders in classes": "is a folder inside a class folder",
    "empty class": "holds no PNG or JPEG files",
    "empty test": "holds no PNG or JPEG files",
    "unlike in test": "9 × 9 pixels, and",
    "a dangling link": "cannot be read as PNG or JPEG",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders_and_files_are_named_in_one_line(case: str, tmp_path: Path) -> None:
    folder, victim = bad_folder(case, tmp_path)
    with pytest.raises(BadInput) as caught:
        stored(image_folder(folder))
    message = str(caught.value)
    assert message.partition(": ")[0].endswith(victim)
    assert BAD[case] in message
    assert "\n" not in message


@pytest.mark.parametrize("size", [-1, 4097])
def test_a_size_that_cannot_be(size: int, tmp_path: Path) -> None:
    write_images(tmp_path, noise(12, 8, 8))
    with pytest.raises(BadInput, match=r"dataset.size"):
        image_folder(tmp_path, size=size)
