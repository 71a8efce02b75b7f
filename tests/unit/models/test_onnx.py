"""Networks in ONNX: torch's numbers, the right input, and one key for one file."""

import logging
import shutil
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from facebench import AccuracyTask, MultiModelTaskManager
from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import (
    FacebenchError,
    InputError,
    LayerOutputError,
    ModelError,
    UnknownNameError,
    WeightsError,
)
from facebench.models.onnx import OnnxModel
from facebench.models.untrained import untrained_copies
from support.real_weights import SFACE, YUNET, real_weights
from support.whole_networks import INPUT, SIZE, Net, Repeating, hooked, images, picture, save_onnx

NODES = {
    "/stem/Conv": "stem",
    "/layer1/layer1.0/conv/Conv": "layer1.0.conv",
    "/layer1/layer1.1/Add_1": "layer1.1",
    "/fc/Gemm": "fc",
}


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x):
        return self.net(x.permute(0, 3, 1, 2))


def made(path, layers=None, **options):
    return OnnxModel("net", path, layers, **{"input": INPUT, "device": "cpu", **options})


def graph_file(path, nodes, inputs, outputs, weights=(), **options):
    """Write a graph of one's own."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights],
    )
    options = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8, **options}
    onnx.save(helper.make_model(graph, **options), path)
    return path


def pooled(path, before=(), size=112, channels=3, n_outputs=1, **options):
    """Write a network that pools what some nodes make of its image 'x'; they give 'y'."""
    nodes = [*before] or [helper.make_node("Identity", ["x"], ["y"])]
    outputs = [f"out{number}" for number in range(n_outputs)]
    nodes += [helper.make_node("GlobalAveragePool", ["y"], ["pooled"])]
    nodes += [helper.make_node("Flatten", ["pooled"], [name]) for name in outputs]
    image = ("x", TensorProto.FLOAT, [options.pop("batch", "n"), channels, size, size])
    shapes = [(name, [None, channels]) for name in outputs]
    return graph_file(path, nodes, [image], shapes, **options)


def normalising(path, *kinds):
    """Write a network that begins with arithmetic of the kinds named."""
    names = ["x", *(f"v{number}" for number in range(len(kinds) - 1)), "y"]
    nodes = [
        helper.make_node(kind, [names[at], "half"], [names[at + 1]], name=f"{kind}_{at}")
        for at, kind in enumerate(kinds)
    ]
    return pooled(path, nodes, weights=[("half", [0.5])])


class TestNumbers:
    def test_output_equals_torch(self, tmp_path):
        found = made(save_onnx(tmp_path / "net.onnx")).get_output(images())["default"]
        torch.testing.assert_close(found, hooked(Net(), images())["default"], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("batch", [None, 1, 4])
    def test_layers_equal_hooks_of_torch(self, tmp_path, batch):
        model = made(save_onnx(tmp_path / "net.onnx", batch=batch), list(NODES))
        found, expected = model.get_output(images()), hooked(Net(), images())
        assert list(found) == list(NODES)
        for node, layer in NODES.items():
            torch.testing.assert_close(found[node], expected[layer], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("batch", [1, 4])
    @pytest.mark.parametrize("count", [1, 3, 4, 5])
    def test_batches_of_a_fixed_size(self, tmp_path, batch, count):
        model = made(save_onnx(tmp_path / "net.onnx", batch=batch))
        found = model.get_output(images(count))["default"]
        expected = hooked(Net(), images(count))["default"]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert model.facts["images at once"] == str(batch)

    def test_a_batch_size_fixed_within_the_graph_is_found(self, tmp_path):
        class Reshaping(Net):
            def forward(self, x):
                x = self.pool(self.layer1(self.relu(self.stem(x))))
                return self.fc(x.reshape(1, 72))

        one = (torch.zeros(1, 3, SIZE, SIZE),)
        path = save_onnx(tmp_path / "net.onnx", Reshaping(), args=one, dynamic_axes={"x": {0: "n"}})
        model = made(path)
        expected = hooked(Net(), images())["default"]
        torch.testing.assert_close(
            model.get_output(images())["default"], expected, rtol=1e-4, atol=1e-5
        )
        assert model.facts["images at once"] == "1"

    def test_channels_last(self, tmp_path):
        path = tmp_path / "net.onnx"
        save_onnx(path, ChannelsLast(), args=(torch.zeros(2, SIZE, SIZE, 3),))
        model = made(path, input={**INPUT, "size": SIZE})
        expected = hooked(Net(), images())["default"]
        found = model.get_output(images())["default"]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert "NHWC" in model.facts["input"]

    @pytest.mark.slow
    def test_an_export_with_its_weights_beside_it(self, tmp_path):
        path = save_onnx(
            tmp_path / "net.onnx", dynamo=True, dynamic_axes=None, external_data=True,
            dynamic_shapes={"x": {0: torch.export.Dim("n", min=1, max=64)}},
        )  # fmt: skip
        beside = tmp_path / "net.onnx.data"
        assert beside.exists()
        found = made(path).get_output(images())["default"]
        torch.testing.assert_close(found, hooked(Net(), images())["default"], rtol=1e-4, atol=1e-5)
        before = made(path).facts["sha256"]
        content = bytearray(beside.read_bytes())
        content[40] ^= 1
        beside.write_bytes(content)
        assert made(path).facts["sha256"] != before
        beside.write_bytes(content[:-8])
        with pytest.raises(WeightsError, match=r"net\.onnx\.data"):
            made(path)
        beside.unlink()
        with pytest.raises(WeightsError, match=r"another file, net\.onnx\.data, which is not"):
            made(path)

    def test_half_precision(self, tmp_path):
        path = tmp_path / "half.onnx"
        nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"])]
        nodes += [helper.make_node("Flatten", ["p"], ["out"])]
        image = ("x", TensorProto.FLOAT16, ["n", 3, 8, 8])
        graph_file(path, nodes, [image], [])
        proto = onnx.load(path)
        proto.graph.output.append(helper.make_tensor_value_info("out", TensorProto.FLOAT16, None))
        onnx.save(proto, path)
        model = made(path, input={"mean": 0.5, "std": 0.5})
        assert model.facts["precision"] == "float16"
        batch = images(3, 8)
        torch.testing.assert_close(
            model.get_output(batch)["default"], batch.mean((2, 3)), rtol=1e-2, atol=1e-2
        )

    def test_quantised_weights_run_as_they_are(self, tmp_path):
        from onnxruntime.quantization import quantize_dynamic

        quantize_dynamic(save_onnx(tmp_path / "net.onnx"), tmp_path / "int8.onnx")
        model = made(tmp_path / "int8.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "int8.onnx")
        alone = np.concatenate([session.run(None, {"x": one[None].numpy()})[0] for one in images()])
        np.testing.assert_allclose(model.get_output(images())["default"], alone, rtol=1e-5)
        assert model.facts["precision"] == "int8 (quantised)"
        # Its scales are those of a batch: together, images would change each other's numbers.
        assert model.facts["images at once"] == "1"


class TestLayers:
    @pytest.fixture
    def path(self, tmp_path):
        return save_onnx(tmp_path / "net.onnx")

    def test_values_and_their_nodes_are_both_names(self, path):
        for layer in ("/stem/Conv", "/stem/Conv_output_0"):
            assert made(path, [layer]).extract_layers == [layer]

    def test_patterns_stand_for_values_or_nodes(self, path):
        assert made(path, "/layer1/*/Relu").extract_layers == [
            "/layer1/layer1.0/Relu",
            "/layer1/layer1.1/Relu",
        ]
        assert made(path, "*Relu_output_0").extract_layers == [
            "/relu/Relu_output_0",
            "/layer1/layer1.0/Relu_output_0",
            "/layer1/layer1.1/Relu_output_0",
        ]

    def test_all_is_every_value_that_depends_on_the_image(self, path):
        model = made(path, "all")
        outputs = model.get_output(images())
        assert list(outputs) == model.get_layer_names()
        assert {"/stem/Conv_output_0", "embedding"} <= set(outputs)
        expected = hooked(Net(), images())["default"]
        torch.testing.assert_close(outputs["embedding"], expected, rtol=1e-4, atol=1e-5)

    def test_what_is_no_batch_is_left_out(self, tmp_path):
        nodes = [
            helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0, 2, 3]),
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Transpose", ["turned"], ["y"], perm=[1, 0, 2, 3]),
        ]
        for batch in (1, "n"):
            model = made(pooled(tmp_path / "net.onnx", nodes, batch=batch), "all", input=None)
            assert model.extract_layers == ["y", "pooled", "out0"]
            assert model.left_out_layers == {"turned": "no batch"}

    def test_unknown_layers_are_told_with_the_closest(self, path):
        with pytest.raises(FacebenchError, match="/stem/Conv_output_0"):
            made(path, ["/stem/Conw_output_0"])

    @pytest.mark.slow
    @pytest.mark.parametrize("dynamo", [False, True])
    def test_blocks_are_those_of_python(self, tmp_path, dynamo):
        net = Repeating()
        options = {"dynamo": True, "external_data": False, "verbose": False} if dynamo else {}
        model = made(save_onnx(tmp_path / "net.onnx", net, batch=5, **options), "blocks")
        expected = hooked(net, images(), net.blocks)
        found = list(model.get_output(images()).values())
        for layer, values in zip(net.blocks, found, strict=True):
            torch.testing.assert_close(values, expected[layer], rtol=1e-4, atol=1e-5)

    def test_a_graph_that_names_no_modules_has_no_blocks(self, tmp_path):
        with pytest.raises(UnknownNameError, match="the file names none of them"):
            made(pooled(tmp_path / "net.onnx", size=SIZE), "blocks")


class TestInput:
    def test_of_the_graph_and_of_the_file(self, tmp_path):
        model = made(save_onnx(tmp_path / "net.onnx"), input={"mean": 0, "std": 1})
        assert model.input.size == (SIZE, SIZE)
        assert model.facts["input from"] == "given"
        pixels = np.asarray(picture(SIZE), np.float32).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(model.preprocess(picture(SIZE)), pixels, atol=1e-6)

    def test_settings_reach_the_network(self, tmp_path):
        path = pooled(tmp_path / "net.onnx", size=32)
        image = picture(32)
        means = np.asarray(image, np.float64).mean((0, 1))
        settings = {"channels": "bgr", "mean": [1, 2, 3], "std": 4, "max_value": 255}
        model = made(path, input=settings)
        found = model.get_output(model.preprocess(image))["default"][0]
        np.testing.assert_allclose(found, (means[::-1] - [1, 2, 3]) / 4, rtol=1e-4)

    @pytest.mark.parametrize(
        ("kinds", "mean", "std"),
        [
            (("Sub", "Mul"), 0, 1),
            (("Mul", "Sub"), 0, 1),
            (("Identity",), 127.5, 127.5),
            (("Sub",), 127.5, 127.5),
            (("Sub", "Div"), 127.5, 127.5),
        ],
    )
    def test_guessed_as_insightface_does_and_said(self, tmp_path, caplog, kinds, mean, std):
        path = tmp_path / "net.onnx"
        if kinds == ("Identity",):
            pooled(path)
        else:
            normalising(path, *kinds)
        with caplog.at_level(logging.INFO, logger="facebench"):
            model = made(path, input=None)
        assert model.input.mean == (mean,) * 3
        assert model.input.std == (std,) * 3
        assert model.input.max_value == 255
        assert model.input.channels == "rgb"
        assert model.facts["input from"].startswith("guessed")
        (said,) = [record for record in caplog.records if "Give 'input'" in record.getMessage()]
        assert said.levelno == logging.WARNING
        assert str(model.input) in said.getMessage()
        if kinds in (("Sub",), ("Sub", "Div")):
            assert "begins with Sub" in said.getMessage()

    def test_colours_alone_keep_the_guess_and_scales_do_not(self, tmp_path):
        path = pooled(tmp_path / "net.onnx")
        assert made(path, input={"channels": "bgr"}).input.mean == (127.5,) * 3
        given = made(path, input={"mean": 0.5, "std": 0.5}).input
        assert (given.mean, given.max_value) == ((0.5,) * 3, 1)
        given = made(path, input={"max_value": 1}).input
        assert (given.mean, given.std, given.max_value) == ((0.5,) * 3, (0.5,) * 3, 1)
        with pytest.raises(InputError, match=r"'mean'.*at most 'max_value'"):
            made(path, input={"mean": 127.5, "std": 127.5})

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"size": 64}, "takes 112 x 112"),
            ({"layout": "hwc"}, "'nchw' or 'nhwc'"),
            ({"layout": "nhwc"}, "of 112 channels"),
            ({"colour": "bgr"}, "no key 'colour'"),
            ("rgb", "must be a mapping"),
        ],
    )
    def test_contradictions(self, tmp_path, settings, expected):
        with pytest.raises(FacebenchError, match=expected):
            made(pooled(tmp_path / "net.onnx"), input=settings)

    def test_resize_is_compared_with_the_size_of_the_graph(self, tmp_path):
        path = pooled(tmp_path / "net.onnx", size=32)
        assert made(path, input={"resize": 40}).input.resize == 40
        path = pooled(tmp_path / "net.onnx", size=224)
        with pytest.raises(InputError, match="at least as large as 'size'"):
            # It would get a black border.
            made(path, input={"resize": 200})

    def test_it_is_a_mapping(self, tmp_path):
        with pytest.raises(InputError, match="must be a mapping with size"):
            made(pooled(tmp_path / "net.onnx"), input=112)

    def test_a_network_for_any_size_needs_one(self, tmp_path):
        path = pooled(tmp_path / "net.onnx", size="s")
        with pytest.raises(InputError, match=r"any size.*input: \{size: 112\}"):
            made(path, input=None)
        assert made(path, input={"size": 96}).input.size == (96, 96)

    def test_bytes(self, tmp_path):
        nodes = [
            helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT),
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["out"]),
        ]
        image = ("x", TensorProto.UINT8, ["n", 3, 32, 32])
        graph_file(tmp_path / "net.onnx", nodes, [image], [("out", [None, 3])])
        model = made(tmp_path / "net.onnx", input=None)
        found = model.get_output(model.preprocess(picture(32)))["default"][0]
        np.testing.assert_allclose(found, np.asarray(picture(32)).mean((0, 1)), rtol=1e-5)
        # They would be cut to 0 and 1.
        with pytest.raises(InputError, match=r"takes bytes.*values from -1 to 1"):
            made(tmp_path / "net.onnx", input={"mean": 0.5, "std": 0.5})


class TestFingerprint:
    def key(self, model):
        found = model_fingerprint(model)
        assert found.preprocessing is not None, found.why
        return found.layer_key("default")

    def test_the_content_of_the_file_counts_and_not_its_place(self, tmp_path):
        first = self.key(made(save_onnx(tmp_path / "net.onnx")))
        elsewhere = tmp_path / "other" / "name.onnx"
        elsewhere.parent.mkdir()
        shutil.copy(tmp_path / "net.onnx", elsewhere)
        assert self.key(made(elsewhere)) == first
        assert self.key(made(elsewhere, ["/stem/Conv"])) == first
        assert self.key(made(save_onnx(tmp_path / "net.onnx", Net(seed=1)))) != first

    @pytest.mark.parametrize(
        "settings",
        [{"mean": 0.4}, {"std": 0.4}, {"channels": "bgr"}, {"max_value": 255}, {"resize": 40}],
    )
    def test_every_setting_counts(self, tmp_path, settings):
        path = save_onnx(tmp_path / "net.onnx")
        assert self.key(made(path)) != self.key(made(path, input={**INPUT, **settings}))

    @pytest.mark.slow
    def test_an_export_to_the_same_path_reuses_no_rows(self, tmp_path):
        for number in range(3):
            picture(seed=number).save(tmp_path / f"{number}.png")
        (tmp_path / "p.csv").write_text("img1,img2,same\n0.png,1.png,1\n1.png,2.png,0\n")

        def distances(cache):
            task = AccuracyTask("t", tmp_path / "p.csv", tmp_path, true_label="same")
            model = made(tmp_path / "net.onnx")
            manager = MultiModelTaskManager(model, task, cache_dir=cache, num_workers=0)
            manager.run_all_tasks_all_models(export_path=str(tmp_path / "out"))
            return manager.model_task_distances_dfs["net"]["t"]["model_computed_distance"]

        for seed in (0, 1):
            save_onnx(tmp_path / "net.onnx", Net(seed=seed))
            fresh = distances(None)
            for _ in range(2):
                np.testing.assert_allclose(distances(tmp_path / "cache"), fresh, atol=1e-6)

    def test_no_untrained_copy_keeps_the_weights(self, tmp_path):
        path = save_onnx(tmp_path / "net.onnx")
        with pytest.raises(ModelError, match="no weights that could be drawn anew"):
            untrained_copies(lambda name: OnnxModel(name, path, input=INPUT), 1)


class TestGraphs:
    def test_inputs_that_nothing_uses_are_left_out(self, tmp_path, caplog):
        path = pooled(tmp_path / "net.onnx")
        proto = onnx.load(path)
        proto.graph.input.append(helper.make_tensor_value_info("left", TensorProto.FLOAT, [4, 4]))
        onnx.save(proto, path)
        with caplog.at_level(logging.INFO, logger="facebench"):
            model = made(path, input=None)
        assert model.get_output(images(2, 112))["default"].shape == (2, 3)
        assert "1 inputs of its graph that no node uses" in caplog.text

    @pytest.mark.parametrize("version", [3, 8])
    def test_weights_listed_as_inputs(self, tmp_path, version):
        path = normalising(tmp_path / "net.onnx", "Sub", "Mul")
        proto = onnx.load(path)
        proto.graph.input.append(helper.make_tensor_value_info("half", TensorProto.FLOAT, [1]))
        proto.ir_version = version
        if version == 3:
            proto.opset_import[0].version = 8
        onnx.save(proto, path)
        batch = images(2, 112)
        found = made(path, input=None).get_output(batch)["default"]
        torch.testing.assert_close(found, ((batch - 0.5) * 0.5).mean((2, 3)), rtol=1e-4, atol=1e-5)

    def test_the_embedding_among_several_outputs(self, tmp_path):
        class WithNorm(Net):
            def forward(self, x):
                embedding = super().forward(x)
                return embedding.norm(dim=1, keepdim=True), embedding

        path = save_onnx(
            tmp_path / "net.onnx", WithNorm(), output_names=["norm", "embedding"],
            dynamic_axes={"x": {0: "n"}},
        )  # fmt: skip
        found = made(path).get_output(images())["default"]
        torch.testing.assert_close(found, hooked(Net(), images())["default"], rtol=1e-4, atol=1e-5)
        assert made(path).facts["output"] == "embedding"

    def test_several_outputs_are_read_as_layers(self, tmp_path):
        path = pooled(tmp_path / "net.onnx", n_outputs=5)
        with pytest.raises(LayerOutputError, match=r"5 outputs.*out0 \[1, 3\].*'layers'"):
            made(path, input=None)
        found = made(path, ["out1", "out3"], input=None).get_output(images(2, 112))
        assert list(found) == ["out1", "out3"]


def two_inputs(path):
    nodes = [helper.make_node("Add", ["x", "z"], ["y"])]
    proto = onnx.load(pooled(path, nodes))
    image = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3, 112, 112])
    proto.graph.input.append(image)
    onnx.save(proto, path)


def checkpoint(path, **options):
    torch.save(Net().state_dict(), path, **options)


def truncated(path):
    save_onnx(path)
    path.write_bytes(path.read_bytes()[:-1000])


def no_batch(path):
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["out"])]
    image = ("x", TensorProto.FLOAT, [1, 3, 32, 32])
    graph_file(path, nodes, [image], [("out", [96, 32])])
    proto = onnx.load(path)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([96, 32]), "shape"))
    onnx.save(proto, path)


BAD_FILES = {
    "truncated": (truncated, "damaged or incomplete"),
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "HTML": (lambda path: path.write_text("<!doctype html><html></html>"), "an HTML page"),
    "LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "a Git LFS pointer",
    ),
    "checkpoint": (checkpoint, "a checkpoint: weights without their network"),
    "old checkpoint": (
        lambda path: checkpoint(path, _use_new_zipfile_serialization=False),
        "a checkpoint: weights without their network",
    ),
    "noise": (lambda path: path.write_bytes(bytes(range(1, 256)) * 40), "damaged or incomplete"),
    "opset": (
        lambda path: pooled(path, opset_imports=[helper.make_opsetid("", 999)]),
        "newer onnxruntime, or export it with an earlier opset",
    ),
    "format": (lambda path: pooled(path, ir_version=999), "newer onnxruntime"),
    "two inputs": (two_inputs, r"takes 2 inputs: x \[\?, 3, 112, 112\], z \[\?, 3, 112, 112\]"),
    "one channel": (lambda path: pooled(path, channels=1), "of 1 channels"),
    "no images": (
        lambda path: graph_file(
            path,
            [helper.make_node("Identity", ["x"], ["y"])],
            [("x", TensorProto.FLOAT, ["n", 512])],
            [("y", [None, 512])],
        ),
        r"takes x \[\?, 512\]",
    ),
    "no batch": (no_batch, r"shape \[96, 32\] for 1 image\. The first axis"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_told_what_they_are(tmp_path, kind):
    write, expected = BAD_FILES[kind]
    write(tmp_path / "net.onnx")
    with pytest.raises(FacebenchError, match=expected) as told:
        made(tmp_path / "net.onnx", input=None)
    assert "net.onnx" in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_a_missing_file_is_told_with_the_closest(tmp_path):
    save_onnx(tmp_path / "net.onnx")
    with pytest.raises(FileNotFoundError, match=r"nett\.onnx does not exist.*net\.onnx"):
        made(tmp_path / "nett.onnx")


class TestPacks:
    @pytest.fixture
    def pack(self, tmp_path):
        folder = tmp_path / "buffalo_x"
        folder.mkdir()
        pooled(folder / "det_10g.onnx", n_outputs=9, size=640)
        pooled(folder / "1k3d68.onnx", size=192)
        pooled(folder / "genderage.onnx", size=96)
        pooled(folder / "w600k_r50.onnx", size=112)
        return folder

    def zipped(self, folder):
        path = folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"{folder.name}/{file.name}")
        return path

    @pytest.mark.parametrize("is_zip", [False, True])
    def test_the_network_that_recognises_faces(self, pack, caplog, is_zip):
        alone = made(pack / "w600k_r50.onnx", input=None)
        with caplog.at_level(logging.INFO, logger="facebench"):
            model = made(self.zipped(pack) if is_zip else pack, input=None)
        assert model.facts["sha256"] == alone.facts["sha256"]
        assert "w600k_r50.onnx is used" in caplog.text
        batch = images(2, 112)
        assert torch.equal(model.get_output(batch)["default"], alone.get_output(batch)["default"])

    @pytest.mark.parametrize("is_zip", [False, True])
    def test_which_ones_there_are(self, pack, is_zip):
        pooled(pack / "glintr100.onnx")
        with pytest.raises(InputError, match=r"2 networks that may.*glintr100.*w600k_r50"):
            made(self.zipped(pack) if is_zip else pack, input=None)
        for name in ("glintr100", "w600k_r50"):
            (pack / f"{name}.onnx").unlink()
        with pytest.raises(InputError, match=r"3 networks and none.*1k3d68.*det_10g.*genderage"):
            made(self.zipped(pack) if is_zip else pack, input=None)

    def test_a_folder_without_networks(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"holds no \.onnx file"):
            made(tmp_path)


class TestRealWeights:
    @pytest.mark.slow
    def test_sface(self, tmp_path):
        path = real_weights(SFACE, tmp_path)
        model = OnnxModel("sface", path, device="cpu")
        assert str(model.input) == "RGB, 112 × 112, 0–255, mean 0, SD 1"
        assert model.template == "arcface112"
        assert model.facts["known as"] == "SFace, int8"
        assert model.facts["precision"] == "int8 (quantised)"
        # onnxruntime runs it only without the inputs that no node uses.
        proto = onnx.load(path)
        (data,) = [item for item in proto.graph.input if item.name == "data"]
        del proto.graph.input[:]
        proto.graph.input.append(data)
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        pixels = np.stack([np.asarray(picture(112, seed)) for seed in (1, 2)])
        raw = pixels.transpose(0, 3, 1, 2).astype(np.float32)
        expected = np.concatenate([session.run(None, {"data": one[None]})[0] for one in raw])
        batch = torch.stack([model.preprocess(picture(112, seed)) for seed in (1, 2)])
        found = model.get_output(batch)["default"]
        assert found.shape == (2, 128)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    def test_a_detector_is_no_model(self, tmp_path):
        with pytest.raises(LayerOutputError, match=r"12 outputs.*cls_8 \[1, 6400, 1\]"):
            OnnxModel("yunet", real_weights(YUNET, tmp_path))


class TestEngine:
    def test_without_onnxruntime_one_sentence_tells_how_to_get_it(self, tmp_path, monkeypatch):
        path = save_onnx(tmp_path / "net.onnx")
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(ModelError, match=r"pip install 'facebench\[onnx\]'"):
            OnnxModel("net", path, input=INPUT)

    def test_a_gpu_that_onnxruntime_cannot_use_is_told(self, tmp_path, caplog, monkeypatch):
        path = save_onnx(tmp_path / "net.onnx")
        model = made(path, device="meta")
        assert model.device == torch.device("cpu")
        assert "runs on the CPU: this onnxruntime cannot use meta" in caplog.text

    def test_a_wrong_size_is_one_clear_error(self, tmp_path):
        model = made(save_onnx(tmp_path / "net.onnx"))
        with pytest.raises(ModelError, match=r"net\.onnx cannot run on images of shape \[2, 3, 48"):
            model.get_output(images(2, 48))

    def test_precision_of_another_kind_is_told(self, tmp_path, caplog):
        model = made(save_onnx(tmp_path / "net.onnx"))
        expected = model.get_output(images())["default"]
        with torch.autocast("cpu", torch.bfloat16):
            found = model.get_output(images())["default"]
            model.get_output(images())
        assert torch.equal(found, expected)
        (said,) = [text for text in caplog.messages if "precision" in text]
        assert "float32" in said

    def test_its_facts_are_in_the_manifest(self, tmp_path):
        from facebench.results.manifest import read_manifest
        from facebench.results.run_folder import RunFolder

        model = made(save_onnx(tmp_path / "net.onnx"))
        run = RunFolder.create(tmp_path / "runs", "r")
        manager = SimpleNamespace(
            models={"net": model}, tasks={}, estimates={}, tasks_performance_dfs={},
            unrounded_performance_dfs={}, model_task_distances_dfs={}, remarks={},
        )  # fmt: skip
        run.save(manager, status="running")
        said = read_manifest(run.path)["models"]["net"]
        assert said["input"] == "RGB, 32 × 32, 0–1, mean 0.5, SD 0.5, NCHW"
        assert said["type"] == "OnnxModel"
