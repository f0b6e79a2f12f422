"""Tries a class map on each of many classifiers of mmpretrain and writes down which layer is looked at by default.

python dev/classifier_table.py [--filter TEXT] [--output docs/classifiers.md] [--keep rows.jsonl]

The weights are random and seeded, so nothing is downloaded. Libraries are imported once; each config runs in a fork of
this process, so that no crash and no memory of it remains.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from support_probe import reason, settle, synthetic_picture
from tables import in_a_cell, made_with, page, stack, table, tick

HERE = Path(__file__).resolve().parent
CLASSES = 3  # maps a picture: with random weights a class may have none but negative evidence


@dataclass
class Row:
    """What one config did.

    Attributes:
        config: Its name.
        layer: The default layer.
        grid: Its cells over the input, such as ``7 x 7``.
        drawn: Whether any of the classes' maps is not blank.
        blank: Why one is blank.
        note: Why the layer is a guess, or what else was said.
        seconds: Time of ``explain_classes``, the search for the layer included.
    """

    config: str
    layer: str = ''
    grid: str = ''
    drawn: Optional[bool] = None
    blank: str = ''
    note: str = ''
    seconds: Optional[float] = None


def configs(containing: str = '') -> List[str]:
    """The configs whose name contains a text, ignoring case."""
    found = json.loads((HERE / 'classifier_configs.json').read_text(encoding='utf-8'))
    return [name for name in found if containing.lower() in name.lower()]


def probe(config: Any, name: str = '') -> Row:
    """Explain the best classes of a classifier with random weights on a synthetic picture."""
    import mmlens

    row = Row(name or str(config))
    network = mmlens.load_classifier(config, device='cpu', cfg_options={'load_from': None})
    picture = synthetic_picture()
    enliven(network, picture)
    started = time.perf_counter()
    first = mmlens.explain_classes(network, picture)
    row.seconds = round(time.perf_counter() - started, 1)
    best = list(range(min(CLASSES, len(network.class_names) or CLASSES)))
    found = mmlens.explain_classes(network, picture, classes=best, layers=first.layers, method='layercam')
    row.layer = ', '.join(first.layers)
    shape = mmlens.feature_maps(network, picture, layers=first.layers)[0].shape
    row.grid = f'{shape[1]} x {shape[2]}'
    row.drawn = any(not each.blank for each in [*first, *found])
    row.blank = next((each.blank for each in [*first, *found] if each.blank), '')
    row.note = ' '.join(note for note in first.notes if 'is blank' not in note)
    return row


def enliven(network: Any, picture: Any) -> None:
    """Make random weights pass signals on as trained ones do: no gains of zero, and norms that fit the picture."""
    import torch

    generator = torch.Generator().manual_seed(0)
    norms = [m for m in network.model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for parameter_name, parameter in network.model.named_parameters():
            if not parameter.numel() or not (parameter == parameter.flatten()[0]).all():
                continue
            if parameter.ndim > 1 and not parameter_name.endswith('token'):
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
            elif parameter.ndim == 1 and not parameter_name.endswith('bias'):
                parameter.fill_(1)
        handles = [norm.register_forward_pre_hook(_settle) for norm in norms]
        try:
            network.logits(network.prepare(picture))
        finally:
            for handle in handles:
                handle.remove()


def _settle(norm: Any, inputs: Any) -> None:
    if inputs[0].ndim == 4:
        settle(norm, inputs)


def try_in_a_fork(config: str, timeout: float) -> Row:
    """Probe a config in a fork; a crash or a process that hangs becomes the row's note."""
    fork = multiprocessing.get_context('fork')
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_probe_and_send, args=(config, sender))
    process.start()
    sender.close()
    try:
        if receiver.poll(timeout):
            return Row(**receiver.recv())
        return Row(config, drawn=False, note=f'No result within {timeout:g} s.')
    except EOFError:
        process.join()
        return Row(config, drawn=False, note=f'The process ended with status {process.exitcode}.')
    finally:
        process.kill()
        process.join()


def _probe_and_send(config: str, sender: Any) -> None:
    try:
        row = probe(config)
    except Exception as error:  # the table is there to show whatever a classifier raises
        row = Row(config, drawn=False, note=reason(error))
    sender.send(asdict(row))


def kept(file: Optional[Path]) -> Dict[str, Row]:
    """The rows in a file, by config."""
    lines = file.read_text(encoding='utf-8').splitlines() if file and file.is_file() else []
    return {row.config: row for row in (Row(**json.loads(line)) for line in lines)}


COLUMNS: Dict[str, Callable[[Row], str]] = {
    'Config': lambda row: f'`{row.config}`',
    'Default layer': lambda row: f'`{row.layer}`' if row.layer else '-',
    'Grid': lambda row: row.grid or '-',
    'Map': lambda row: tick(row.drawn),
    'Blank where': lambda row: in_a_cell(row.blank),
    'Seconds': lambda row: '-' if row.seconds is None else f'{row.seconds:.1f}',
    'Note': lambda row: in_a_cell(row.note),
}

PAGE = """# Which classifiers work

**{works} of {all}** configs of mmpretrain have a map that is not blank at their default layer, with {made_with}.

Each config got seeded random weights, its batch norms the statistics of the picture, and the input size of its own test
pipeline. The layer was found as `mmlens cam` finds it: the last one over the picture that all of the prediction comes
through, as far as there is one; see [class maps](cam.md).

* **Grid**: rows and columns of cells of the default layer.
* **Map**: of GradCAM of the predicted class and LayerCAM of three, any is not blank.
* **Blank where**: why one of these is blank. With random weights, all evidence for a class may be negative by chance.
* **Note**: where the layer is a guess, and what else was said.
* **Seconds**: the first call of `explain_classes`, the search for the layer included, on a machine that had other work.

{table}

Made by `python dev/classifier_table.py --output FILE`; `--filter TEXT` tries some of them.
"""


def markdown(rows: Sequence[Row], versions: Dict[str, str], ops: str) -> str:
    """The page: what was tried, on which versions, and the table."""
    return PAGE.format(
        works=sum(bool(row.drawn) for row in rows),
        all=len(rows),
        made_with=made_with('the CPU', versions, ops),
        table=table(rows, COLUMNS),
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Try the configs, print a line for each, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--filter', default='', metavar='TEXT', help='only configs whose name contains it')
    parser.add_argument('--output', type=page, help='markdown file to write')
    parser.add_argument('--timeout', type=float, default=300, help='seconds a config may take')
    parser.add_argument('--keep', type=page, metavar='FILE', help='rows so far: what was stopped goes on with the rest')
    options = parser.parse_args(arguments)
    chosen = configs(options.filter)
    if not chosen:
        parser.error(f"no config contains '{options.filter}'")
    import mmpretrain.models  # noqa: F401  # once, for all forks

    import mmlens.explain.classes  # noqa: F401

    known = kept(options.keep)
    rows: List[Row] = []
    for config in chosen:
        done = known.get(config) or try_in_a_fork(config, options.timeout)
        rows.append(done)
        if options.keep and config not in known:
            with open(options.keep, 'a', encoding='utf-8') as file:
                file.write(json.dumps(asdict(done)) + '\n')
        said = f'{done.layer} {done.grid} {done.blank} {done.note}'
        print(f'{len(rows)}/{len(chosen)} {"map" if done.drawn else "NO MAP"} {config} {said}', flush=True)
    if options.output:
        options.output.write_text(markdown(rows, *stack()), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
