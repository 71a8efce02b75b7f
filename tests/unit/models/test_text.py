"""Texts as a model: CLIP's text tower from a folder, a function, tables, truncation, digests."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from facebench import MultiModelTaskManager, SimilarityTask, TextModel
from facebench.errors import InputError, MissingImageError, MissingWeightsError, ModelError

ROWS = [("ann/1.jpg", "a man"), ("bob/1.jpg", "a woman"), ("cy/1.jpg", "a man"), ("di/1.jpg", "an")]


def table(folder: Path, rows: list[tuple[str, str]] = ROWS, header: str = "image,text") -> Path:
    path = folder / "texts.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP text tower with a tokenizer of single letters."""
    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: n for n, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 8,
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    end = vocabulary["<|endoftext|>"]
    config = CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=8, projection_dim=12,
        bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder


def made(folder: Path, clip: Path, **options: object) -> TextModel:
    return TextModel("words", table(folder), version=str(clip), **options)


class TestClip:
    def test_rows_are_those_of_transformers(self, tmp_path: Path, clip: Path) -> None:
        from transformers import AutoTokenizer

        rows = made(tmp_path, clip).vectors["text"]
        network = CLIPTextModelWithProjection.from_pretrained(clip).eval()
        tokenizer = AutoTokenizer.from_pretrained(clip)
        for row, (_, text) in zip(rows, ROWS, strict=True):
            with torch.inference_mode():
                alone = network(**tokenizer(text, return_tensors="pt")).text_embeds[0].numpy()
            # Padding beside longer texts changes nothing.
            np.testing.assert_allclose(row, alone, atol=1e-5)
        np.testing.assert_array_equal(rows[0], rows[2])
        assert rows.shape == (4, 12)
        assert rows.dtype == np.float32

    def test_digests_cover_table_and_weights(self, tmp_path: Path, clip: Path) -> None:
        def digests(model: TextModel) -> tuple[str, str | None]:
            assert model.vectors
            return model.digest, model.weights_digest

        first = digests(made(tmp_path, clip))
        assert digests(made(tmp_path, clip)) == first
        other = digests(TextModel("x", table(tmp_path, [("a.jpg", "b")]), version=str(clip)))
        assert other[0] != first[0]
        assert other[1] == first[1]

    def test_long_texts_are_cut_off_and_counted(
        self, tmp_path: Path, clip: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = [("a.jpg", "abcdefghij"), ("b.jpg", "abcdefzzzz"), ("c.jpg", "abc")]
        model = TextModel("words", table(tmp_path, rows), version=str(clip))
        with caplog.at_level(logging.WARNING):
            found = model.vectors["text"]
        assert "2 of 3 texts are longer than the 8 tokens that CLIP reads" in caplog.text
        # What differs behind the cut is not seen.
        np.testing.assert_array_equal(found[0], found[1])
        from transformers import AutoTokenizer

        given = AutoTokenizer.from_pretrained(clip)(
            [text for _, text in rows], padding=True, truncation=True, max_length=8,
            return_tensors="pt",
        )  # fmt: skip
        network = CLIPTextModelWithProjection.from_pretrained(clip).eval()
        with torch.inference_mode():
            expected = network(given["input_ids"], given["attention_mask"]).text_embeds.numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_code_beside_the_weights_is_not_run(self, tmp_path: Path, clip: Path) -> None:
        folder = tmp_path / "remote"
        folder.mkdir()
        for file in clip.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        config = json.loads((folder / "config.json").read_text())
        config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config"}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
        with pytest.raises(ModelError, match=r"brings code of its own"):
            _ = made(tmp_path, folder).vectors
        assert not (tmp_path / "ran").exists()

    def test_a_missing_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(MissingWeightsError, match=r"TextModel cannot load"):
            _ = made(tmp_path, tmp_path / "empty").vectors


class TestFunctions:
    def test_a_file_and_its_function(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("mine.py").write_text(
            "def encode(texts):\n    return [[len(text), text.count('a')] for text in texts]\n"
        )
        model = TextModel("words", table(tmp_path), "mine.py:encode")
        assert model.vectors["text"].tolist() == [[5, 2], [7, 2], [5, 2], [2, 1]]
        first = model.digest
        Path("mine.py").write_text(Path("mine.py").read_text() + "# other\n")
        again = TextModel("words", table(tmp_path), "mine.py:encode")
        assert again.vectors
        assert again.digest != first

    @pytest.mark.parametrize(
        ("encode", "told"),
        [
            (lambda texts: [1.0] * len(texts), r"array \[texts, features\].*Got shape \[3\]"),
            (lambda texts: np.full((len(texts), 2), np.inf), "infinite"),
            (lambda texts: texts, "fails: ValueError"),
            ("sbert", "'clip', or a function of texts as module:function"),
            ("no_such_module:f", "cannot be imported"),
            (3, "must be a function"),
        ],
    )
    def test_refused(self, tmp_path: Path, encode: object, told: str) -> None:
        with pytest.raises(InputError, match=told):
            _ = TextModel("words", table(tmp_path), encode).vectors


class TestTables:
    def encoded(self, path: Path, **options: str) -> TextModel:
        return TextModel("words", path, lambda texts: np.eye(len(texts)), **options)

    def test_columns_and_beginnings(self, tmp_path: Path) -> None:
        rows = [("faces/a.jpg", "Ann"), ("faces/b.jpg", "Bob")]
        path = table(tmp_path, rows, "filename,called")
        assert self.encoded(path, text="called", strip="faces").image_names == ["a.jpg", "b.jpg"]

    @pytest.mark.parametrize(
        ("rows", "header", "told"),
        [
            (ROWS, "image,texts", "'text' parameter.*Did you mean 'texts'"),
            ([("a.jpg", "")], "image,text", "must have a value in every row"),
            ([("a.jpg", "x"), ("a.jpg", "y")], "image,text", "two texts for 'a.jpg': 'x' and 'y'"),
            ([], "image,text", "a header but no texts"),
        ],
    )
    def test_refused(
        self, tmp_path: Path, rows: list[tuple[str, str]], header: str, told: str
    ) -> None:
        with pytest.raises(Exception, match=told):
            self.encoded(table(tmp_path, rows, header))

    def test_in_a_run_without_images(self, tmp_path: Path) -> None:
        names = [name for name, _ in ROWS]
        pairs = [f"{a},{b},{n}" for n, (a, b) in enumerate(pairwise(names))]
        (tmp_path / "pairs.csv").write_text("\n".join(["img1,img2,distance", *pairs]))
        task = SimilarityTask("people", tmp_path / "pairs.csv", tmp_path, n_permutations=0)
        model = self.encoded(table(tmp_path))
        manager = MultiModelTaskManager([model], [task])
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
        frame = manager.model_task_distances_dfs["words"]["people"]
        assert frame["model_computed_distance"].tolist() == [1, 1, 1]
        assert manager.records["words"].file_digest == model.digest
        few = self.encoded(table(tmp_path, ROWS[:3]))
        with pytest.raises(MissingImageError, match=r"1 of 4 images have no text.*'di/1.jpg'"):
            MultiModelTaskManager([few], [task]).plan()
