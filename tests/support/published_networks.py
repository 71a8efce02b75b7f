"""The published networks a second time, as functions of a state dict with the published keys.

Written from the published sources, without the modules of facebench: each reads the weights that
it needs by name, so that a key that is called otherwise, or left over, is noticed.
"""

import torch
from torch.nn import functional as F  # noqa: N812


class Weights:
    """A state dict that remembers what was read of it."""

    def __init__(self, state):
        self.state = state
        self.unread = {key for key in state if not key.endswith("num_batches_tracked")}

    def __getitem__(self, key):
        self.unread.discard(key)
        return self.state[key]

    def get(self, key):
        return self[key] if key in self.state else None

    def conv(self, x, name, stride=1, padding=0, groups=1):
        return F.conv2d(
            x, self[f"{name}.weight"], self.get(f"{name}.bias"), stride, padding, 1, groups
        )

    def norm(self, x, name, eps=1e-5):
        return F.batch_norm(
            x,
            self[f"{name}.running_mean"],
            self[f"{name}.running_var"],
            self.get(f"{name}.weight"),
            self.get(f"{name}.bias"),
            eps=eps,
        )

    def prelu(self, x, name):
        return F.prelu(x, self[f"{name}.weight"])

    def linear(self, x, name):
        return F.linear(x, self[f"{name}.weight"], self.get(f"{name}.bias"))


def randomise(network, seed=0):
    """Give every parameter and statistic values of a sensible size."""
    # Drawn once and repeated: large layers take their time otherwise.
    values = torch.randn(100_003, generator=torch.Generator().manual_seed(seed))
    start = 0
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                continue
            repeats = (start + tensor.numel()) // len(values) + 1
            drawn = values.repeat(repeats)[start : start + tensor.numel()].reshape(tensor.shape)
            start = (start + tensor.numel()) % len(values)
            if key.endswith("running_var"):
                tensor.copy_(0.5 + drawn.abs())
            elif tensor.ndim > 1:
                tensor.copy_(drawn / tensor[0].numel() ** 0.5)
            elif key.endswith("weight"):
                tensor.copy_(0.6 + 0.2 * drawn)
            else:
                tensor.copy_(0.1 * drawn)
    return network.eval()


def unit(x):
    return x / x.norm(2, 1, True)


def stages(*counts):
    """Give input and output channels and stride of every block of a network of four stages."""
    channels = 64
    for width, count in zip((64, 128, 256, 512), counts, strict=True):
        for number in range(count):
            yield channels, width, 1 if number else 2
            channels = width


def adaface(w, x, counts, se=False):
    """mk-minchul/AdaFace net.py (Backbone) and CVLFace: a middle norm, no weights at the end."""
    x = w.prelu(w.norm(w.conv(x, "input_layer.0", 1, 1), "input_layer.1"), "input_layer.2")
    for number, (inputs, outputs, stride) in enumerate(stages(*counts)):
        at = f"body.{number}"
        if inputs == outputs:
            shortcut = F.max_pool2d(x, 1, stride)
        else:
            shortcut = w.norm(w.conv(x, f"{at}.shortcut_layer.0", stride), f"{at}.shortcut_layer.1")
        x = w.conv(w.norm(x, f"{at}.res_layer.0"), f"{at}.res_layer.1", 1, 1)
        x = w.prelu(w.norm(x, f"{at}.res_layer.2"), f"{at}.res_layer.3")
        x = w.norm(w.conv(x, f"{at}.res_layer.4", stride, 1), f"{at}.res_layer.5")
        x = squeezed(w, x, f"{at}.res_layer.se_block") if se else x
        x = x + shortcut
    return embedded(w, x)


def treb1en(w, x, counts, se=False):
    """TreB1eN/InsightFace_Pytorch and face.evoLVe (bottleneck_IR, bottleneck_IR_SE)."""
    x = w.prelu(w.norm(w.conv(x, "input_layer.0", 1, 1), "input_layer.1"), "input_layer.2")
    for number, (inputs, outputs, stride) in enumerate(stages(*counts)):
        at = f"body.{number}"
        if inputs == outputs:
            shortcut = x[:, :, ::stride, ::stride]
        else:
            shortcut = w.norm(w.conv(x, f"{at}.shortcut_layer.0", stride), f"{at}.shortcut_layer.1")
        x = w.conv(w.norm(x, f"{at}.res_layer.0"), f"{at}.res_layer.1", 1, 1)
        x = w.conv(w.prelu(x, f"{at}.res_layer.2"), f"{at}.res_layer.3", stride, 1)
        x = w.norm(x, f"{at}.res_layer.4")
        x = squeezed(w, x, f"{at}.res_layer.5") if se else x
        x = x + shortcut
    return embedded(w, x)


def squeezed(w, x, name):
    weights = w.conv(x.mean((2, 3), keepdim=True), f"{name}.fc1").relu()
    return x * w.conv(weights, f"{name}.fc2").sigmoid()


def embedded(w, x):
    x = w.norm(x, "output_layer.0").flatten(1)
    return w.norm(w.linear(x, "output_layer.3"), "output_layer.4")


def iresnet(w, x, counts, eps):
    """insightface arcface_torch iresnet.py (eps 1e-5) and MagFace models/iresnet.py (2e-5)."""
    x = w.prelu(w.norm(w.conv(x, "conv1", 1, 1), "bn1", eps), "prelu")
    for stage, count in enumerate(counts, 1):
        for number in range(count):
            at, stride = f"layer{stage}.{number}", 1 if number else 2
            y = w.norm(w.conv(w.norm(x, f"{at}.bn1", eps), f"{at}.conv1", 1, 1), f"{at}.bn2", eps)
            y = w.norm(
                w.conv(w.prelu(y, f"{at}.prelu"), f"{at}.conv2", stride, 1), f"{at}.bn3", eps
            )
            if number == 0:
                x = w.norm(w.conv(x, f"{at}.downsample.0", stride), f"{at}.downsample.1", eps)
            x = x + y
    return w.norm(w.linear(w.norm(x, "bn2", eps).flatten(1), "fc"), "features", eps)


def mobilefacenet(w, x):
    """TreB1eN/InsightFace_Pytorch model.py (MobileFaceNet)."""

    def block(x, at, stride=1, padding=0, groups=1, active=True):
        x = w.norm(w.conv(x, f"{at}.conv", stride, padding, groups), f"{at}.bn")
        return w.prelu(x, f"{at}.prelu") if active else x

    def depthwise(x, at, stride, groups):
        x = block(block(x, f"{at}.conv"), f"{at}.conv_dw", stride, 1, groups)
        return block(x, f"{at}.project", active=False)

    x = block(block(x, "conv1", 2, 1), "conv2_dw", 1, 1, 64)
    for down, groups, again, count, groups_again in (
        ("conv_23", 128, "conv_3", 4, 128),
        ("conv_34", 256, "conv_4", 6, 256),
        ("conv_45", 512, "conv_5", 2, 256),
    ):
        x = depthwise(x, down, 2, groups)
        for number in range(count):
            x = x + depthwise(x, f"{again}.model.{number}", 1, groups_again)
    x = block(block(x, "conv_6_sep"), "conv_6_dw", groups=512, active=False)
    return unit(w.norm(w.linear(x.flatten(1), "linear"), "bn"))


def insightface_mobilefacenet(w, x, counts=(1, 4, 6, 2)):
    """insightface arcface_torch mobilefacenet.py."""

    def block(x, at, stride=1, padding=0, groups=1, active=True):
        x = w.norm(w.conv(x, f"{at}.layers.0", stride, padding, groups), f"{at}.layers.1")
        return w.prelu(x, f"{at}.layers.2") if active else x

    def depthwise(x, at, stride, groups):
        x = block(block(x, f"{at}.layers.0"), f"{at}.layers.1", stride, 1, groups)
        return block(x, f"{at}.layers.2", active=False)

    def residual(x, at, count, groups):
        for number in range(count):
            x = x + depthwise(x, f"{at}.layers.{number}", 1, groups)
        return x

    x = block(x, "layers.0", 2, 1)
    if counts[0] == 1:
        x = block(x, "layers.1", 1, 1, 64)
    else:
        x = residual(x, "layers.1", counts[0], 128)
    x = residual(depthwise(x, "layers.2", 2, 128), "layers.3", counts[1], 128)
    x = residual(depthwise(x, "layers.4", 2, 256), "layers.5", counts[2], 256)
    x = residual(depthwise(x, "layers.6", 2, 512), "layers.7", counts[3], 256)
    x = block(block(x, "conv_sep"), "features.layers.0", groups=512, active=False)
    return w.norm(w.linear(x.flatten(1), "features.layers.2"), "features.layers.3")


def foamliu_mobilefacenet(w, x):
    """foamliu/MobileFaceNet mobilefacenet.py."""

    def block(x, at, stride=1, padding=0, groups=1):
        return w.norm(w.conv(x, f"{at}.0", stride, padding, groups), f"{at}.1").clamp(0, 6)

    x = block(x, "conv1", 2, 1)
    x = w.norm(w.conv(x, "dw_conv.depthwise", 1, 1, 64), "dw_conv.bn1").relu()
    x = w.norm(w.conv(x, "dw_conv.pointwise"), "dw_conv.bn2").relu()
    number = 0
    for expansion, outputs, count, first in (
        (2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1),
    ):  # fmt: skip
        for repeat in range(count):
            at, stride, inputs = f"features.{number}.conv", 1 if repeat else first, x.shape[1]
            y = block(block(x, f"{at}.0"), f"{at}.1", stride, 1, inputs * expansion)
            y = w.norm(w.conv(y, f"{at}.2"), f"{at}.3")
            x = x + y if stride == 1 and inputs == outputs else y
            number += 1
    x = w.norm(w.conv(block(x, "conv2"), "gdconv.depthwise", groups=512), "gdconv.bn")
    return w.norm(w.conv(x, "conv3"), "bn").flatten(1)


def facenet(w, x):
    """timesler/facenet-pytorch inception_resnet_v1.py."""

    def basic(x, at, stride=1, padding=0):
        return w.norm(w.conv(x, f"{at}.conv", stride, padding), f"{at}.bn", 0.001).relu()

    def chain(x, at, *settings):
        for number, setting in enumerate(settings):
            x = basic(x, f"{at}.{number}", *setting)
        return x

    def joined(x, at, parts, scale):
        return w.conv(torch.cat(parts, 1), f"{at}.conv2d") * scale + x

    x = basic(basic(basic(x, "conv2d_1a", 2), "conv2d_2a"), "conv2d_2b", 1, 1)
    x = basic(basic(F.max_pool2d(x, 3, 2), "conv2d_3b"), "conv2d_4a")
    x = basic(x, "conv2d_4b", 2)
    for number in range(5):
        at = f"repeat_1.{number}"
        parts = [
            basic(x, f"{at}.branch0"),
            chain(x, f"{at}.branch1", (), (1, 1)),
            chain(x, f"{at}.branch2", (), (1, 1), (1, 1)),
        ]
        x = joined(x, at, parts, 0.17).relu()
    parts = [
        basic(x, "mixed_6a.branch0", 2),
        chain(x, "mixed_6a.branch1", (), (1, 1), (2,)),
        F.max_pool2d(x, 3, 2),
    ]
    x = torch.cat(parts, 1)
    for number in range(10):
        at = f"repeat_2.{number}"
        parts = [
            basic(x, f"{at}.branch0"),
            chain(x, f"{at}.branch1", (), (1, (0, 3)), (1, (3, 0))),
        ]
        x = joined(x, at, parts, 0.1).relu()
    parts = [
        chain(x, "mixed_7a.branch0", (), (2,)),
        chain(x, "mixed_7a.branch1", (), (2,)),
        chain(x, "mixed_7a.branch2", (), (1, 1), (2,)),
        F.max_pool2d(x, 3, 2),
    ]
    x = torch.cat(parts, 1)
    for at, scale in [*((f"repeat_3.{number}", 0.2) for number in range(5)), ("block8", 1.0)]:
        parts = [
            basic(x, f"{at}.branch0"),
            chain(x, f"{at}.branch1", (), (1, (0, 1)), (1, (1, 0))),
        ]
        x = joined(x, at, parts, scale)
        x = x if at == "block8" else x.relu()
    x = w.linear(x.mean((2, 3)), "last_linear")
    return unit(w.norm(x, "last_bn", 0.001))


def vggface2(w, x, se=False):
    """cydonia999/VGGFace2-pytorch models/resnet.py and senet.py, without the classifier."""
    x = w.norm(w.conv(x, "conv1", 2, 3), "bn1").relu()
    x = F.max_pool2d(x, 3, 2, 0, ceil_mode=True)
    for stage, count in enumerate((3, 4, 6, 3), 1):
        for number in range(count):
            at, stride = f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1
            y = w.norm(w.conv(x, f"{at}.conv1", stride), f"{at}.bn1").relu()
            y = w.norm(w.conv(y, f"{at}.conv2", 1, 1), f"{at}.bn2").relu()
            y = w.norm(w.conv(y, f"{at}.conv3"), f"{at}.bn3")
            if se:
                weights = w.conv(F.avg_pool2d(y, y.size(2)), f"{at}.conv4").relu()
                y = w.conv(weights, f"{at}.conv5").sigmoid() * y
            if number == 0:
                x = w.norm(w.conv(x, f"{at}.downsample.0", stride), f"{at}.downsample.1")
            x = (x + y).relu()
    return F.avg_pool2d(x, 7, 1).flatten(1)


def vgg_face(w, x):
    """vgg_face_dag.py of Samuel Albanie's pytorch-models, up to the ReLU of fc7."""
    for stage, count in enumerate((2, 2, 3, 3, 3), 1):
        for number in range(count):
            x = w.conv(x, f"conv{stage}_{number + 1}", 1, 1).relu()
        x = F.max_pool2d(x, 2, 2)
    return w.linear(w.linear(x.flatten(1), "fc6").relu(), "fc7").relu()


def cvlface_vit(w, x, depth, heads):
    """CVLFace models/vit/vit.py (VisionTransformer, patches of 8, norm_layer 'ln')."""

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    x = w.conv(x, "patch_embed.proj", 8).flatten(2).transpose(1, 2) + w["pos_embed"]
    images, tokens, width = x.shape
    for number in range(depth):
        at = f"blocks.{number}"
        qkv = w.linear(norm(x, f"{at}.norm1"), f"{at}.attn.qkv")
        qkv = qkv.reshape(images, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attention = ((q @ k.transpose(-2, -1)) * (width // heads) ** -0.5).softmax(-1)
        y = (attention @ v).transpose(1, 2).reshape(images, tokens, width)
        x = x + w.linear(y, f"{at}.attn.proj")
        y = w.linear(norm(x, f"{at}.norm2"), f"{at}.mlp.fc1").clamp(0, 6)
        x = x + w.linear(y, f"{at}.mlp.fc2")
    x = w.linear(norm(x, "norm").reshape(images, -1), "feature.0")
    x = w.linear(w.norm(x, "feature.1", 2e-5), "feature.2")
    return w.norm(x, "feature.3", 2e-5)
