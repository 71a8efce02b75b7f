"""The experiment to edit first: which networks, which layers, which tasks, on which faces.

Run it with `python benchmark_runner.py`. It is the experiment of `make demo`: faces that facebench
renders itself, dlib's face network against an untrained VGG16. Replace the pair tables and images
with your own; every table is a CSV file with img1, img2 and the column its task asks for.
"""

from pathlib import Path

from scipy.stats import spearmanr
from sklearn.metrics.pairwise import euclidean_distances

from facebench import DlibResNetModel
from facebench.demo import prepare_rendered_faces
from facesBenchmarkUtils.multiModelTaskManager import MultiModelTaskManager
from models.vgg16Model import Vgg16Model
from tasks.accuracyTask import AccuracyTask
from tasks.conditionedAverageDistances import ConditionedAverageDistances
from tasks.correlationTask import CorrelationTask
from tasks.relativeDifferenceTask import RelativeDifferenceTask

OUTPUT = Path("demo_results") / "benchmark_runner"


def main():
    """Run the experiment and print its table."""
    faces = prepare_rendered_faces(Path("demo_results") / "rendered" / "stimuli")

    models = [
        # These faces are aligned already; leave `align` out for photographs.
        DlibResNetModel(align=False),
        Vgg16Model("vgg16-untrained", extract_layers=["avgpool", "classifier.5"], pretrained=False),
    ]
    tasks = [
        AccuracyTask(
            name="Rendered faces, same person, upright",
            pairs_file_path=faces.same_upright,
            images_path=faces.images_path,
            distance_metric=euclidean_distances,
            true_label="same",
        ),
        AccuracyTask(
            name="Rendered faces, same person, inverted",
            pairs_file_path=faces.same_inverted,
            images_path=faces.images_path,
            distance_metric=euclidean_distances,
            true_label="same",
        ),
        CorrelationTask(
            name="Rendered faces, identity parameters",
            pairs_file_path=faces.distances,
            images_path=faces.images_path,
            distance_metric=euclidean_distances,
            correlation_metric=spearmanr,
        ),
        ConditionedAverageDistances(
            name="Rendered faces, conditions",
            pairs_file_path=faces.conditions,
            images_path=faces.images_path,
            distance_metric=euclidean_distances,
        ),
        RelativeDifferenceTask(
            name="Rendered faces, Thatcher",
            pairs_file_path=faces.thatcher,
            images_path=faces.images_path,
            distance_metric=euclidean_distances,
            group_column="orientation",
        ),
    ]
    manager = MultiModelTaskManager(models, tasks, batch_size=32)
    manager.run_all_tasks_all_models(export_path=OUTPUT, print_log=True)
    print(manager.unified_summary().set_index(["Model Name", "Layer Name"]).T.to_string())
    print(f"Tables and plots are in {OUTPUT.resolve()}.")


if __name__ == "__main__":
    main()
