"""The command line: one command per file, each a call of the library.

Results go to standard output, everything else to standard error. Options and exit codes are defined here only: 0
for success, 1 if checked data cannot be used, 2 for a mistake of the user, 130 after an interrupt, 141 for a closed pipe.
"""

from swissbert.cli import (
    analyse,
    convert,
    data_check,
    distill,
    env,
    evaluate,
    export,
    init,
    learning_curve,
    predict,
    push,
    quickstart,
    recipes,
    reproduce,
    serve,
    soup,
    submit,
    sweep,
    synthesise,
    train,
)
from swissbert.cli.program import app, data_app, main

__all__ = ["main"]

for command in (  # in the order of --help
    quickstart.quickstart,
    train.train,
    distill.distill,
    sweep.sweep,
    init.init,
    soup.soup,
    evaluate.evaluate,
    predict.predict,
    submit.submit,
    serve.serve,
    analyse.analyse,
    learning_curve.learning_curve,
    export.export,
    convert.convert,
    push.push,
    synthesise.synthesise,
    reproduce.reproduce,
    recipes.recipes,
    env.env,
):
    app.command()(command)
data_app.command("check")(data_check.data_check)
