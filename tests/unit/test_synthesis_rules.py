"""Synthesis rules: which texts they make of which rows, with which label, and which rows they leave alone."""

from random import Random

import pytest

from swissbert.analysis.buckets import PAIR, SINGLE
from swissbert.data.rows import Row
from swissbert.data.synthesis import RULES, Rule, Source, rules_for
from swissbert.data.synthesis.spelling import canonical, full_forms, numbers_respelled
from swissbert.data.synthesis.values import another_number

OTHER = "x"  # no question and too short, so that rules can only take the first text


def row(text: str, pair: str | None = None, label: float = 1) -> Row:
    return Row(1, "1", text, pair, label)


def made(rule: Rule, text: str, *, others: list[Row] | None = None, seed: int = 0) -> tuple[str, str | None] | None:
    pair = None if rule.task == "sst" else OTHER
    return rule.make(Source(row(text, pair), Random(seed), others or []))


def all_made(task: str, name: str, text: str) -> set[str]:
    """The changed texts that a rule makes of a text with many seeds; empty if it leaves the text alone."""
    rule = rules_for(task)[name]
    results = [texts for seed in range(60) if (texts := made(rule, text, seed=seed)) is not None]
    assert all(first == text for first, second in results if second is not None)
    return {first if second is None else second for first, second in results}


@pytest.mark.parametrize(
    ("name", "label", "text", "expected"),
    [
        ("subject_object_swap", 0, "How do I convert inches to feet?", "How do I convert feet to inches?"),
        ("subject_object_swap", 0, "How do I switch from Vim to Emacs?", "How do I switch from Emacs to Vim?"),
        ("subject_object_swap", 0, "Why is gold heavier than silver?", "Why is silver heavier than gold?"),
        ("subject_object_swap", 0, "Can ravens attack eagles?", "Can eagles attack ravens?"),
        (
            "symmetric_swap",
            1,
            "What is the difference between a lake and a pond?",
            "What is the difference between a pond and a lake?",
        ),
        ("symmetric_swap", 1, "Which is better, skiing or sledging?", "Which is better, sledging or skiing?"),
        ("negated", 0, "Why do cats purr at night?", "Why don't cats purr at night?"),
        ("negated", 0, "Why can ducks swim?", "Why can't ducks swim?"),
        ("negated", 0, "What should I eat before a race?", "What should I not eat before a race?"),
    ],
)
def test_questions_and_labels(name: str, label: float, text: str, expected: str) -> None:
    assert all_made("para", name, text) == {expected}
    assert rules_for("para")[name].label == label


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("question_more_specific", "How do I learn chess in Basel?"),  # restricted already
        ("question_more_specific", "How do I learn chess as a complete beginner?"),
        ("question_more_specific", "Why is the sky blue today?"),  # a restriction would be odd
        ("question_more_specific", "What is chess? How do I learn it?"),  # two questions
        ("subject_object_swap", "How far is it from Bern to Basel?"),  # the same distance
        ("subject_object_swap", "How do I count from 1 to 10?"),
        ("subject_object_swap", "How do I go from bad to very rich?"),  # phrases of other forms
        ("subject_object_swap", "What is the difference between cats and dogs?"),
        ("symmetric_swap", "What is the difference between fiscal and monetary policy?"),  # "policy" belongs to both
        ("symmetric_swap", "How do I get from Bern to Basel?"),
        ("number_changed", "What are the top 10 films?"),  # any number of answers asks the same
        ("number_changed", "What are your 3 best tips?"),
        ("number_changed", "What is 3.5 percent of my salary?"),
        ("number_changed", "Is 1 cat enough?"),  # another number would need a plural
        ("number_changed", "Who won the race?"),
        ("name_changed", "How do I fly with Air India?"),  # part of a longer name
        ("name_changed", "Is it an Apple computer?"),
        ("name_changed", "Where is my umbrella?"),
        ("negated", "Is chess a sport?"),  # "Isn't chess a sport?" asks the same
        ("negated", "Can I swim after lunch?"),
        ("negated", "Why don't cats swim?"),
        ("negated", "Why is there no snow?"),
        ("negated", "Why are you so sad?"),
    ],
)
def test_questions_that_a_rule_leaves_alone(name: str, text: str) -> None:
    assert all_made("para", name, text) == set()


def test_a_restriction_makes_a_question_more_specific() -> None:
    results = all_made("para", "question_more_specific", "How do I learn chess?")
    assert "How do I learn chess as a college student?" in results
    assert len(results) >= 3
    assert all(result.startswith("How do I learn chess ") and result.endswith("?") for result in results)


def test_another_number_is_as_round_and_a_year_stays_a_year() -> None:
    numbers = {another_number(500, {500}, Random(seed)) for seed in range(50)}
    assert numbers <= {250, 300, 350, 400, 450, 550, 600, 650, 700, 750, 800, 900, 1000}
    assert 500 not in numbers
    assert {another_number(2012, {2012}, Random(seed)) for seed in range(99)} == {*range(2008, 2016)} - {2012}
    assert another_number(1, {1}, Random(0)) is None
    assert all(another_number(5, {5, 6}, Random(seed)) != 6 for seed in range(50)), "taken"


def test_a_number_of_the_question_does_not_become_another_one_of_it() -> None:
    results = all_made("para", "number_changed", "Is a train of 500 or 1000 tons heavy?")
    assert results
    assert not any("1000 or 1000" in result or "500 or 500" in result for result in results)


def test_a_name_is_changed_wherever_it_stands_and_to_no_other_one_of_the_question() -> None:
    results = all_made("para", "name_changed", "Was Japan at war with China when Japan was poor?")
    assert results
    for result in results:
        assert "China when China" not in result
        assert result.count("Japan") in (0, 2)


def test_a_reworded_question_asks_the_same() -> None:
    results = all_made("para", "reworded", "How do I mend a sock?")
    assert {"How can I mend a sock?", "What is the best way to mend a sock?"} <= results
    assert rules_for("para")["reworded"].label == 1
    assert all_made("para", "reworded", "What's a sonnet about?") == {"What is a sonnet about?"}


def test_similar_sentences_differ_in_spelling_alone() -> None:
    rule = rules_for("sts")["respelled"]
    assert rule.label == 5.0
    assert all_made("sts", "respelled", "Two dogs bark.") == {"2 dogs bark."}
    assert all_made("sts", "respelled", "3 boats don't float.") == {"Three boats don't float.", "3 boats do not float."}
    assert all_made("sts", "respelled", "A dog barks.") == set()


@pytest.mark.parametrize(
    "text", ["The race is on 12 March.", "It costs 2.5 francs.", "Flight BA 7 landed.", "One can see it."]
)
def test_numbers_that_are_no_count_keep_their_spelling(text: str) -> None:
    assert numbers_respelled(text) == text


def test_a_verb_before_its_subject_is_not_written_out() -> None:
    assert full_forms("Why don't they know that I don't?") == "Why don't they know that I do not?"
    assert full_forms("It has lost it's way.") == "It has lost it's way."
    assert canonical("Can't Two swim") == canonical("cannot 2 swim") == ["can", "not", "2", "swim"]


def test_unrelated_sentences_share_stop_words_and_no_content_word() -> None:
    rule = rules_for("sts")["unrelated"]
    near = row("The ship is in the port.", "A ship is in a port.")
    animals = row("The hen is in the sun.", "The cow is in the sun.")
    far = row("The law is in the final draft.", "It is a law.")
    text = "The dog is in the garden."
    assert made(rule, text, others=[far]) in {(text, far.text), (text, far.text_pair)}
    assert made(rule, "The ships are in the port.", others=[near]) is None, "words of one family"
    assert made(rule, text, others=[row("A puppy is in the garden.", "It is a puppy.")]) is None
    assert made(rule, text, others=[row("The cat is in the tree.", "The cat is in it.")]) is None, "both about animals"
    assert made(rule, text, others=[row("Nobody knows.", "Nobody knows.")]) is None, "no stop words shared"
    assert made(rule, text, others=[animals]) is None
    assert rule.label == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A slow start , but worth it .", {"A slow start , yet worth it ."}),
        (
            "The plot is thin , but the cast is good .",
            {
                "Although the plot is thin , the cast is good .",
                "Though the plot is thin , the cast is good .",
                "While the plot is thin , the cast is good .",
                "The plot is thin ; however , the cast is good .",
            },
        ),
        ("A slow start, but worth it.", {"A slow start, yet worth it."}),
        ("It is not only long , but also dull .", set()),
        ("Although long , it is good , but odd .", set()),
        ("It is good .", set()),
    ],
)
def test_contrasts_in_other_words(text: str, expected: set[str]) -> None:
    assert all_made("sst", "contrast_reworded", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is n't funny .", {"It is not funny ."}),
        ("It is not funny .", {"It is n't funny ."}),
        ("It is not funny.", {"It isn't funny."}),
        ("You ca n't laugh , and you wo n't .", set()),
        ("You ca n't laugh at it .", {"You can not laugh at it ."}),
        ("Is n't it funny ?", set()),
        ("It is not only funny .", set()),
        ("It is funny .", set()),
    ],
)
def test_negations_in_other_words(text: str, expected: set[str]) -> None:
    assert all_made("sst", "negation_reworded", text) == expected


def test_rules_of_sentiment_keep_the_label_of_the_row() -> None:
    assert [rule.label for rule in rules_for("sst").values()] == [None, None]


def test_every_rule_names_a_bucket_of_its_kind_and_says_what_it_makes() -> None:
    pairs, singles = ({bucket.name for bucket in buckets} for buckets in (PAIR, SINGLE))
    for rule in RULES:
        assert rule.bucket in (singles if rule.task == "sst" else pairs), rule.name
        assert rule.description.endswith("."), rule.name
    assert len({(rule.task, rule.name) for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    ("name", "pair", "is_like"),
    [
        ("number_changed", ("Is 5 odd?", "Is 6 odd?"), True),
        ("number_changed", ("Is 5 odd?", "Is five odd?"), False),
        ("name_changed", ("Is Oxford old?", "Is Yale old?"), True),
        ("name_changed", ("Is Oxford old?", "Is Peru old?"), False),
        ("negated", ("Why is it cold?", "Why isn't it cold?"), True),
        ("negated", ("Why isn't it cold?", "Why is it cold?"), True),
        ("negated", ("Why is it cold?", "Why is it not warm?"), False),
        ("question_more_specific", ("What is best?", "What is best for tall people?"), True),
        ("question_more_specific", ("What is best?", "What is best? Why?"), False),
        ("reworded", ("How can I swim?", "What is the best way to swim?"), True),
        ("reworded", ("How can I swim?", "How can I ski?"), False),
        ("symmetric_swap", ("Any difference between C and D?", "Any difference between D and C?"), True),
        ("subject_object_swap", ("Can cats attack dogs?", "Can dogs attack cats?"), True),
        ("subject_object_swap", ("Can cats attack dogs?", "Can cats attack mice?"), False),
    ],
)
def test_real_rows_of_a_kind_are_recognised(name: str, pair: tuple[str, str], is_like: bool) -> None:
    found = rules_for("para")[name].is_like
    assert found is not None
    assert found(row(*pair)) is is_like
