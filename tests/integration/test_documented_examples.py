"""The examples of the first description, run as a user's scripts would be, in a bare clone."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

REPOSITORY = Path(__file__).parents[2]

CUSTOM_MODEL = """
    import os
    import numpy as np
    import pandas as pd
    import torch
    import torch.nn as nn
    from PIL import Image
    from torchvision import transforms
    from facesBenchmarkUtils.baseModel import BaseModel
    from facesBenchmarkUtils.baseTask import BaseTask
    from facesBenchmarkUtils.multiModelTaskManager import MultiModelTaskManager
    from facesBenchmarkUtils.plotHelper import PlotHelper

    class MyCustomModel(BaseModel):
        def _build_model(self):
            self.model = nn.Sequential(
                nn.Conv2d(3, 4, kernel_size=3),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(4 * 30 * 30, 16),
            )

        def _forward(self, input_tensor):
            return self.model(input_tensor)

        def preprocess_image(self, image_path):
            image = Image.open(image_path).convert('RGB')
            transform = transforms.Compose([
                transforms.Resize((32, 32)),
                transforms.ToTensor(),
            ])
            return transform(image)
"""

MEAN_DISTANCE_TASK = """
    class MyCustomTask(BaseTask):
        def compute_task_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
            metric_value = pairs_distances_df['model_computed_distance'].mean()
            return pd.DataFrame({'Custom Metric': [metric_value]})

        @staticmethod
        def plot(output_dir, performances, *optional):
            PlotHelper.bar_plot(
                performances=performances,
                y='Custom Metric',
                ylabel='Custom Metric',
                title_prefix='Custom Task Results',
                output_dir=output_dir,
                file_name='custom_task_results'
            )

    def main():
        custom_model = MyCustomModel(name='CustomModel')
        custom_task = MyCustomTask(
            name='CustomTask',
            pairs_file_path=PAIRS,
            images_path=IMAGES,
            distance_metric=lambda a, b: torch.norm(a - b)
        )
        manager = MultiModelTaskManager(
            models=[custom_model],
            tasks=[custom_task],
            batch_size=16
        )
        manager.run_all_tasks_all_models(export_path=OUTPUT, print_log=True)

    if __name__ == '__main__':
        main()
"""

MEAN_SQUARED_ERROR_TASK = """
    class MeanSquaredErrorTask(BaseTask):
        def __init__(self, name: str, pairs_file_path: str, images_path: str) -> None:
            super().__init__(name=name, pairs_file_path=pairs_file_path, images_path=images_path)

        def compute_task_performance(self, pairs_distances_df):
            merged_df = self.pairs_df.merge(pairs_distances_df, on=['img1', 'img2'], how='left')
            error = (merged_df['distance'] - merged_df['model_computed_distance']) ** 2
            return pd.DataFrame({'Model Name': [self.name], 'Mean Squared Error': [error.mean()]})

        def plot(self, output_dir, performances, *optional):
            import matplotlib
            matplotlib.use('Agg')
            import matplotlib.pyplot as plt
            plt.figure(figsize=(10, 6))
            plt.hist(performances['Mean Squared Error'].values, bins=20)
            plt.title(f'Error Distribution for {self.name}')
            plt.tight_layout()
            plt.savefig(os.path.join(output_dir, f'{self.name}_error_distribution.png'))
            plt.close()

    if __name__ == '__main__':
        manager = MultiModelTaskManager(
            MyCustomModel(name='CustomModel'),
            [MeanSquaredErrorTask(name, PAIRS, IMAGES) for name in ('first', 'second')])
        manager.run_all_tasks_all_models(export_path=OUTPUT)
"""

PLOT_OF_DISTANCES = """
    class CustomTask(BaseTask):
        def compute_task_performance(self, pairs_distances_df):
            return pd.DataFrame({'Largest': [pairs_distances_df['model_computed_distance'].max()]})

        @staticmethod
        def plot(output_dir, performances, distances, *optional):
            import matplotlib
            matplotlib.use('Agg')
            import matplotlib.pyplot as plt
            for model, tasks in distances.items():
                for task, table in tasks.items():
                    plt.figure()
                    plt.hist(table['model_computed_distance'].values, bins=30)
                    plt.savefig(f'{output_dir}/{model}_{task}_histogram_of_distances.png')
                    plt.close()

    if __name__ == '__main__':
        task = CustomTask('largest', PAIRS, IMAGES)
        MultiModelTaskManager([MyCustomModel('CustomModel', extract_layers='1')], [task]
            ).run_all_tasks_all_models(export_path=OUTPUT)
"""

USAGE = """
    def main():
        from models.vgg16Model import Vgg16Model
        from models.clipModel import CLIPModel
        from models.dinoModel import DinoModel
        from tasks.accuracyTask import AccuracyTask
        from tasks.correlationTask import CorrelationTask
        from facesBenchmarkUtils.multiModelTaskManager import MultiModelTaskManager
        from facesBenchmarkUtils import batch_cosine_distance
        import os

        clip_model = CLIPModel(name='CLIP', version=CLIP)
        dino_model = DinoModel(name='DINO', version=DINO)

        lfw_accuracy_task = AccuracyTask(
            name='LFW Accuracy',
            pairs_file_path=PAIRS,
            images_path=IMAGES,
            true_label='same',
            distance_metric=batch_cosine_distance
        )
        manager = MultiModelTaskManager(
            models=[clip_model, dino_model],
            tasks=[lfw_accuracy_task],
            batch_size=32
        )
        output_dir = os.path.join(os.getcwd(), OUTPUT)
        manager.run_all_tasks_all_models(export_path=output_dir, print_log=True)
        performances = manager.tasks_performance_dfs
        distances = manager.model_task_distances_dfs
        assert list(performances['LFW Accuracy']['Model Name']) == ['CLIP', 'DINO']
        assert len(distances['CLIP']['LFW Accuracy']) == 44
        manager.export_unified_summary(export_path=output_dir)

    if __name__ == '__main__':
        main()
"""


@pytest.fixture
def run_script(world, tmp_path):
    """Run a script from a folder that holds only what a clone holds, facebench not installed."""

    def run(*parts, **constants):
        clone = tmp_path / "clone"
        clone.mkdir()
        for name in ("facebench", "models", "tasks", "facesBenchmarkUtils"):
            (clone / name).symlink_to(REPOSITORY / name)
        output = tmp_path / "output"
        constants |= {"PAIRS": world.pairs, "IMAGES": world.images, "OUTPUT": output}
        lines = [f"{name} = {str(value)!r}" for name, value in constants.items()]
        script = clone / "script.py"
        script.write_text("\n".join([*lines, *(textwrap.dedent(part) for part in parts)]))
        run = subprocess.run(
            [sys.executable, "-W", "error", script.name],
            cwd=clone,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout == ""
        return output

    return run


def test_custom_model_and_task(run_script):
    output = run_script(CUSTOM_MODEL, MEAN_DISTANCE_TASK)
    plots = output / "MyCustomTask Plots"
    results = pd.read_csv(plots / "MyCustomTask results.csv")
    distances = pd.read_csv(output / "Computed Metrics/CustomModel/CustomTask.csv")
    expected = distances["model_computed_distance"].mean()
    assert results["Custom Metric"].tolist() == pytest.approx([expected])
    assert (plots / "CustomTask_custom_task_results.png").is_file()


def test_task_that_merges_its_own_pairs_and_plots_as_an_instance(run_script):
    output = run_script(CUSTOM_MODEL, MEAN_SQUARED_ERROR_TASK)
    plots = output / "MeanSquaredErrorTask Plots"
    results = pd.read_csv(plots / "MeanSquaredErrorTask results.csv")
    assert results["Model Name"].tolist() == ["CustomModel", "CustomModel"]
    assert results["Mean Squared Error"].notna().all()
    for task in ("first", "second"):
        assert (plots / f"{task}_error_distribution.png").is_file()


def test_plot_that_takes_distances(run_script):
    output = run_script(CUSTOM_MODEL, PLOT_OF_DISTANCES)
    assert (output / "CustomTask Plots/CustomModel_largest_histogram_of_distances.png").is_file()
    assert (output / "Computed Metrics/CustomModel/1/largest.csv").is_file()


def test_usage_with_clip_and_dino(run_script, tmp_path):
    transformers = pytest.importorskip("transformers")
    size = {"height": 30, "width": 30}
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 30,
        "patch_size": 10,
    }
    text = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 20,
        "eos_token_id": 19,
        "bos_token_id": 18,
    }
    clip, dino = tmp_path / "clip", tmp_path / "dino"
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    transformers.CLIPModel(config).save_pretrained(clip)
    processor = transformers.CLIPImageProcessor(size=size, crop_size=size)
    processor.save_pretrained(clip)
    dino_config = transformers.Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=30, patch_size=10
    )
    transformers.Dinov2Model(dino_config).save_pretrained(dino)
    transformers.BitImageProcessor(size=size, crop_size=size).save_pretrained(dino)
    output = run_script(USAGE, CLIP=clip, DINO=dino)
    assert (output / "models_unified_results.csv").is_file()
