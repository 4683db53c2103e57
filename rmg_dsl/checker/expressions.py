"""Check expressions: resolve names, infer types, and report each mistake at its place."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import inf
from typing import assert_never

from rmg_dsl.checker.directions import warn_turned_back
from rmg_dsl.checker.scope import QualifiedName, ResolvedGrader, Scope, TypedTerm
from rmg_dsl.checker.score_comparisons import (
    compares_words,
    warn_best_by_score,
    word_of_score,
)
from rmg_dsl.diagnostics import Fix, Span
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Constant, Term
from rmg_dsl.ir.types import (
    ANY,
    BOOL,
    LIST,
    NONE_TYPE,
    NUMBER,
    TEXT,
    Type,
    arithmetic_type,
    comparison_result,
    negation_type,
    number_type,
    union_type,
)
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes

ResolveGrader = Callable[[QualifiedName, Scope], ResolvedGrader | None]
ResolveGraderCall = Callable[[nodes.CallNode, QualifiedName, Scope], ResolvedGrader | None]
CheckFunctionCall = Callable[["ExpressionChecker", nodes.CallNode, str, Scope], TypedTerm]

UNKNOWN = TypedTerm(Constant(None, "unknown"), ANY)


class ExpressionChecker:
    """Checks expressions. The caller passes in how graders are resolved and functions typed."""

    def __init__(
        self,
        graded_of: ResolveGrader,
        call_grader: ResolveGraderCall,
        call_function: CheckFunctionCall,
    ) -> None:
        self._resolve_grader = graded_of
        self._resolve_grader_call = call_grader
        self._check_function_call = call_function

    def check(self, node: nodes.Expr, scope: Scope) -> TypedTerm:
        """The resolved expression and its type; what is wrong is reported and stands in as an
        unknown value.
        """
        match node:
            case nodes.NameNode():
                return self._check_name(node, scope)
            case nodes.NumberNode(value):
                return TypedTerm(Constant(value, type(value).__name__), number_type(value, value))
            case nodes.TextNode(value):
                return TypedTerm(Constant(value, "str"), TEXT)
            case nodes.TruthNode(value):
                return TypedTerm(Constant(value, "bool"), Type("bool", value, value))
            case nodes.NothingNode():
                return TypedTerm(Constant(None), NONE_TYPE)
            case nodes.ListNode(items):
                return TypedTerm(
                    expr.ListExpr(tuple(self.check(item, scope).term for item in items)), LIST
                )
            case nodes.AttributeNode():
                return self._check_attribute(node, scope)
            case nodes.ItemNode():
                return self._check_item(node, scope)
            case nodes.CallNode():
                return self._check_call(node, scope)
            case nodes.SignNode():
                return self._check_sign(node, scope)
            case nodes.ArithmeticNode():
                return self._check_arithmetic(node, scope)
            case nodes.ComparisonNode():
                return self._check_comparison(node, scope)
            case nodes.LogicNode(word, parts):
                inner = tuple(self.check_condition(part, scope).term for part in parts)
                return TypedTerm(expr.BoolOp("and" if word == "and" else "or", inner), BOOL)
            case nodes.NotNode(operand):
                return TypedTerm(expr.Not(self.check_condition(operand, scope).term), BOOL)
            case nodes.IfElseNode():
                return self._check_if_else(node, scope)
            case _:
                assert_never(node)

    # ── names ──

    def _check_name(self, node: nodes.NameNode, scope: Scope) -> TypedTerm:
        # The words of the key itself hide every other name.
        if node.id in scope.local_names:
            return scope.local_names[node.id]
        if scope.kind == "field":
            # A field is made of columns only, so that no field depends on the order of the others.
            if node.id != scope.own_field and scope.file.find_field(node.id) is not None:
                self._report_field_in_field(node, scope)
                return UNKNOWN
            return self._check_column(node, scope)
        scope.rebindable_names.add(node.id)
        # A call of the enclosing grader may rebind the name, whatever the file declares.
        bound = dict(scope.bindings).get(node.id)
        if bound is not None:
            return self._check_place(bound, node, scope)
        target = scope.file.find(node.id)
        if target is None or isinstance(target.declaration, nodes.FieldDecl):
            # A grader of an imported file reads the fields of the file that runs.
            target = scope.state.root.find_field(node.id)
        if target is not None:
            scope.state.mark_used(scope.file, node.id)
            return self._check_declared_name(node, target, scope)
        return self._check_place(self._check_column(node, scope), node, scope)

    @staticmethod
    def _report_field_in_field(node: nodes.NameNode, scope: Scope) -> None:
        """Report a field that names another field: the column of that name may be another text."""
        target = scope.file.find_field(node.id)
        assert target is not None
        declared = target.declaration
        assert isinstance(declared, nodes.FieldDecl)
        column = f'column("{node.id}")'
        place = shorten_expression(scope.source_text(declared.value))
        scope.report(
            "RMG218",
            f"`{node.id}` is a field, and a field is made of columns",
            node.span,
            help=f"for the column of that name write `{column}`; "
            f"for what the field holds write its place: `{place}`",
            fixes=[Fix(node.span, column, f"write `{column}`")],
        )

    def _check_place(self, typed: TypedTerm, node: nodes.Expr, scope: Scope) -> TypedTerm:
        if scope.kind == "rows" and not isinstance(typed.term, Constant):
            self._report_row_value(node, scope)
            # One diagnostic is enough: an unknown value fits everywhere.
            return UNKNOWN
        return typed

    def _report_row_value(self, node: nodes.Expr, scope: Scope) -> None:
        text = scope.source_text(node)
        help = f"say of all rows together: `mean({text})`, `share({text})`, `median({text})` …"
        scope.report(
            "RMG319",
            f"`{text}` has a value on every row, a `require` is about the whole run",
            node.span,
            help=help,
        )

    def _check_declared_name(
        self, node: nodes.NameNode, target: QualifiedName, scope: Scope
    ) -> TypedTerm:
        declared = target.declaration
        scope.state.mark_used(target.file, target.name)
        match declared:
            case nodes.ParamDecl():
                return self._check_param(declared, target, scope)
            case nodes.FieldDecl():
                return self._check_place(self.check_field(declared, target, scope), node, scope)
            case nodes.ModelDecl():
                scope.report(
                    "RMG218", f"`{node.id}` is a model, and a value is wanted here", node.span
                )
                return UNKNOWN
            # Its own mistake is reported already.
            case nodes.Broken():
                return UNKNOWN
            case _:
                return self._check_place(self._score_term(target, scope), node, scope)

    def _score_term(self, target: QualifiedName, scope: Scope) -> TypedTerm:
        graded = self._resolve_grader(target, scope)
        return TypedTerm(expr.ScoreRef(graded.scoring), graded.type) if graded else UNKNOWN

    def _check_param(
        self, declared: nodes.ParamDecl, target: QualifiedName, scope: Scope
    ) -> TypedTerm:
        value = scope.state.universe.params.get(
            _root_param_name(target, scope), declared.value.value
        )
        if isinstance(value, str):
            return TypedTerm(Constant(value, "str"), TEXT)
        # The value of a param is fixed for a run, so its range is that one value.
        kind = Type("bool", value, value) if isinstance(value, bool) else number_type(value, value)
        return TypedTerm(Constant(value, type(value).__name__), kind)

    def check_field(
        self, declared: nodes.FieldDecl, target: QualifiedName, scope: Scope
    ) -> TypedTerm:
        """Resolve a field to its expression over the columns."""
        # The field is checked in the file that declares it, not where it is used.
        inner = Scope(
            scope.state,
            target.file,
            f"field `{declared.name.id}`",
            "field",
            allows_missing=scope.allows_missing,
            own_field=target.name,
        )
        return self.check(declared.value, inner)

    def _check_column(self, node: nodes.NameNode, scope: Scope) -> TypedTerm:
        self.resolve_column(
            node.id, node.span, scope, "RMG201", f"unknown name `{node.id}` in {scope.owner}"
        )
        return TypedTerm(expr.ColumnRef(node.id), ANY)

    def resolve_column(self, name: str, span: Span, scope: Scope, code: str, message: str) -> None:
        """Use an undeclared name as a column, unless it is probably a misspelt declared name."""
        state = scope.state
        columns = state.universe.columns or frozenset()
        # The library is checked without data: its names are columns of whoever uses it.
        slip = (
            None
            if name in columns or scope.file.is_library
            else state.intended_name(name, scope.file, scope.own_field)
        )
        hidden = (
            scope.file.is_incomplete or scope.file.sees_only_fields or state.root.sees_only_fields
        )
        # A part that could not be parsed may declare the name, so nothing is said of it.
        if slip is None or hidden:
            if not hidden or state.universe.columns is None or name in columns:
                state.use_column(name, scope.file.source, span, scope.allows_missing)
            return
        help = f"did you mean `{slip}`? ({self.describe_origin(slip, scope)})"
        label = "not a field, a column, a parameter or a built-in"
        scope.report(
            code, message, span, label=label, help=help, fixes=[Fix(span, slip, f"write `{slip}`")]
        )

    @staticmethod
    def describe_origin(name: str, scope: Scope) -> str:
        """Where a declared name comes from: `field, line 9`."""
        target = scope.file.find(name) or scope.state.root.find(name)
        if target is None:
            return "column"
        declared = target.declaration
        kind = nodes.keyword_of(declared)
        line = target.file.source.position(declared.span.start).line
        place = (
            f"line {line}"
            if target.file is scope.file
            else f"{target.file.source.name}, line {line}"
        )
        return f"{kind}, {place}"

    # ── nested values ──

    def _check_attribute(self, node: nodes.AttributeNode, scope: Scope) -> TypedTerm:
        if (
            isinstance(node.base, nodes.NameNode)
            and node.base.id == "std"
            # A declaration called `std` hides the library.
            and not scope.file.find("std")
        ):
            return self._check_library_grader(node, scope)
        base = self.check(node.base, scope)
        # Columns may hold objects; only a score is known to have no keys.
        if base.type.kind in ("number", "bool", "label") and isinstance(base.term, expr.ScoreRef):
            scope.report(
                "RMG218",
                f"`{scope.source_text(node.base)}` is a score and has no `.{node.key.id}`",
                node.span,
            )
        return TypedTerm(expr.GetField(base.term, node.key.id), ANY)

    def _check_library_grader(self, node: nodes.AttributeNode, scope: Scope) -> TypedTerm:
        target = find_library_grader(node, scope)
        return (
            self._check_place(self._score_term(target, scope), node, scope) if target else UNKNOWN
        )

    def _check_item(self, node: nodes.ItemNode, scope: Scope) -> TypedTerm:
        base, index = self.check(node.base, scope), self.check(node.index, scope)
        if index.type.kind not in ("number", "text", "any"):
            scope.report("RMG313", "an index is a whole number or a text", node.index.span)
        return TypedTerm(expr.Index(base.term, index.term), ANY)

    # ── calls ──

    def _check_call(self, node: nodes.CallNode, scope: Scope) -> TypedTerm:
        if isinstance(node.function, nodes.AttributeNode):
            return self._check_attribute_call(node, node.function, scope)
        if not isinstance(node.function, nodes.NameNode):
            scope.report("RMG204", "only functions and graders can be called", node.function.span)
            return UNKNOWN
        name = node.function.id
        universe = scope.state.universe
        target = scope.file.find(name)
        # A function and a grader may share a name, and then a call means the function. With one
        # named argument the author surely means the grader.
        if target is not None and name in universe.functions and _is_rebinding(node):
            help = "give the grader another name than the function's"
            message = f"`{name}` is a function here, and the grader of that name cannot be rebound"
            scope.report("RMG224", message, node.span, help=help)
            return UNKNOWN
        if name in universe.functions or name in universe.python_functions:
            return self._check_function_call(self, node, name, scope)
        # A field is made before there are scores, so it cannot call a grader.
        if target is not None and scope.kind != "field":
            scope.state.mark_used(scope.file, name)
            return self._check_grader_call(node, target, scope)
        self._report_unknown_function(node.function, scope)
        return UNKNOWN

    def _check_attribute_call(
        self, node: nodes.CallNode, function: nodes.AttributeNode, scope: Scope
    ) -> TypedTerm:
        if isinstance(function.base, nodes.NameNode) and function.base.id == "std":
            target = find_library_grader(function, scope)
            return self._check_grader_call(node, target, scope) if target else UNKNOWN
        # In Python this would be a method: show the call that does the same here.
        method = function.key.id
        base = scope.source_text(function.base)
        functions = scope.state.universe.functions
        help = (
            f"write `{method}({base}, …)`"
            if method in functions
            else "functions stand before their arguments"
        )
        scope.report(
            "RMG204", f"there are no methods: `.{method}(…)`", function.key.span, help=help
        )
        return UNKNOWN

    def _check_grader_call(
        self, node: nodes.CallNode, target: QualifiedName, scope: Scope
    ) -> TypedTerm:
        graded = self._resolve_grader_call(node, target, scope)
        if graded is None:
            return UNKNOWN
        return self._check_place(TypedTerm(expr.ScoreRef(graded.scoring), graded.type), node, scope)

    def _report_unknown_function(self, name: nodes.NameNode, scope: Scope) -> None:
        universe = scope.state.universe
        # These are words of declarations and not functions of an expression.
        if name.id in ("llm", "panel", "python"):
            where = (
                "after `model NAME =`" if name.id != "python" else "alone, as the score of a grader"
            )
            scope.report("RMG204", f"`{name.id}(…)` stands {where}", name.span)
            return
        if scope.file.is_incomplete and scope.kind != "field":
            return
        graders = {
            g.name.id for g in universe.library.declarations if isinstance(g, nodes.GraderDecl)
        }
        close = suggest_name(name.id, [*universe.functions, *scope.file.names()])
        fixes = [Fix(name.span, close, f"write `{close}`")] if close else []
        if name.id in graders:
            help, fixes = (
                f"write `std.{name.id}(…)`",
                [Fix(name.span, f"std.{name.id}", f"write `std.{name.id}`")],
            )
        elif close:
            help = f"did you mean `{close}`?"
        else:
            help = "a Python function of your own is given by `functions={…}`"
        scope.report("RMG204", f"unknown function `{name.id}`", name.span, help=help, fixes=fixes)

    # ── operators ──

    def _check_sign(self, node: nodes.SignNode, scope: Scope) -> TypedTerm:
        inner = self._check_number(node.operand, scope, f"`{node.sign}`")
        if node.sign == "+":
            return inner
        if isinstance(inner.term, Constant) and isinstance(inner.term.value, int | float):
            # A negative constant stays a constant, so that its range is known.
            value = -inner.term.value
            return TypedTerm(Constant(value, type(value).__name__), number_type(value, value))
        warn_turned_back("-", None, node.operand, inner, scope)
        return TypedTerm(expr.Negate(inner.term), negation_type(inner.type))

    def _check_arithmetic(self, node: nodes.ArithmeticNode, scope: Scope) -> TypedTerm:
        first = self._check_number(node.first, scope, f"`{node.rest[0][0]}`")
        kind, rest = first.type, []
        for sign, operand in node.rest:
            part = self._check_number(operand, scope, f"`{sign}`")
            # Only a constant zero is known now; a zero on a row is an error of that row.
            if sign == "/" and part.type.low == part.type.high == 0:
                scope.report("RMG324", "this divides by zero", operand.span)
            warn_turned_back(sign, kind, operand, part, scope)
            kind = arithmetic_type(sign, kind, part.type)
            rest.append((sign, part.term))
        return TypedTerm(expr.BinaryOp(first.term, tuple(rest)), kind)

    def _check_number(self, node: nodes.Expr, scope: Scope, wanted_by: str) -> TypedTerm:
        typed = self.check(node, scope)
        if not typed.type.is_numeric:
            help = (
                'texts are put together in a `fields:` line by `join([a, b], " ")`'
                if typed.type.kind == "text"
                else ""
            )
            self.report_wrong_type(
                "RMG302", node, typed.type, f"{wanted_by} wants numbers", scope, help
            )
            # Go on as if it were a number, so that the rest of the expression is checked too.
            return TypedTerm(typed.term, NUMBER)
        return typed

    def check_condition(self, node: nodes.Expr, scope: Scope) -> TypedTerm:
        """Check an expression that must be true or false."""
        typed = self.check(node, scope)
        if typed.type.kind not in ("bool", "any"):
            help = (
                f"compare it: `{scope.source_text(node)} >= …`"
                if typed.type.kind == "number"
                else ""
            )
            self.report_wrong_type(
                "RMG301", node, typed.type, "a condition is true or false", scope, help
            )
        return typed

    @staticmethod
    def report_wrong_type(
        code: str, node: nodes.Expr, kind: Type, expected: str, scope: Scope, help: str = ""
    ) -> None:
        # `None` has advice of its own, whatever was expected.
        if kind.kind == "none":
            scope.report(
                "RMG323",
                "`None` is no value to work with",
                node.span,
                help="ask by `given(field)`, or give a value by `default(field, …)`",
            )
            return
        scope.report(
            code,
            f"{expected}, and `{shorten_expression(scope.source_text(node))}` is {kind}",
            node.span,
            help=help,
        )

    def _check_if_else(self, node: nodes.IfElseNode, scope: Scope) -> TypedTerm:
        condition = self.check_condition(node.condition, scope)
        then, otherwise = self.check(node.then, scope), self.check(node.otherwise, scope)
        if (
            isinstance(condition.term, Constant)
            and condition.term.kind == "bool"
            and isinstance(node.condition, nodes.TruthNode)
        ):
            branch = "first" if condition.term.value else "second"
            scope.report(
                "RMG326",
                f"this condition never changes: it is always the {branch} branch",
                node.condition.span,
            )
        # A column may hold anything, so it agrees with the other branch.
        kinds = {then.type.kind, otherwise.type.kind} - {"any"}
        if len(kinds) > 1 and not (then.type.is_numeric and otherwise.type.is_numeric):
            scope.report(
                "RMG302",
                f"one branch is {then.type}, the other {otherwise.type}",
                node.span,
                help="both branches give the same kind of value",
            )
        return TypedTerm(
            expr.IfElse(then.term, condition.term, otherwise.term),
            union_type(then.type, otherwise.type),
        )

    def _check_comparison(self, node: nodes.ComparisonNode, scope: Scope) -> TypedTerm:
        first = self.check(node.first, scope)
        left, left_node, rest = first, node.first, []
        for sign, operand in node.rest:
            right = self.check(operand, scope)
            span = Span(left_node.span.start, operand.span.end)
            # The middle of a chain has one value for both comparisons, so it stays a number.
            if sign in ("in", "not in") and len(node.rest) == 1 and compares_words(left, operand):
                first = left = word_of_score(left)
            warn_best_by_score(sign, left, right, span, scope)
            self._check_operands(sign, (left_node, left.type), (operand, right.type), span, scope)
            rest.append((sign, right.term))
            left, left_node = right, operand
        return TypedTerm(expr.Compare(first.term, tuple(rest)), BOOL)

    def _check_operands(
        self,
        sign: str,
        left: tuple[nodes.Expr, Type],
        right: tuple[nodes.Expr, Type],
        span: Span,
        scope: Scope,
    ) -> None:
        one, other = left[1], right[1]
        for side in (left, right):
            if side[1].kind == "none":
                self.report_wrong_type("RMG323", side[0], side[1], "", scope)
                return
        if sign in ("in", "not in"):
            self._check_membership(left, right, scope)
            return
        # Either side may be the label and the other the word.
        self._check_known_label(left, right, scope)
        self._check_known_label(right, left, scope)
        if not _can_compare_types(sign, one, other):
            help = _comparison_help(sign, one, other)
            scope.report("RMG302", f"`{sign}` cannot compare {one} with {other}", span, help=help)
            return
        self._warn_constant_comparison(sign, one, other, span, scope)

    def _warn_constant_comparison(
        self, sign: str, one: Type, other: Type, span: Span, scope: Scope
    ) -> None:
        """Warn of a comparison that no row can change, as `reward >= 0.8` on 1..5."""
        # Two constants are compared on purpose, for example in a param that switches a rule.
        if one.low == one.high and other.low == other.high:
            return
        always = comparison_result(sign, one, other)
        if always is None:
            return
        score = one if one.low < one.high else other
        word = "always" if always else "never"
        text = scope.file.source.text[span.start : span.end]
        scope.report(
            "RMG306",
            f"`{shorten_expression(text)}` is {word} true: "
            f"the score goes from {score.low:g} to {score.high:g}",
            span,
        )

    def _check_membership(
        self, left: tuple[nodes.Expr, Type], right: tuple[nodes.Expr, Type], scope: Scope
    ) -> None:
        if right[1].kind not in ("list", "text", "any"):
            scope.report(
                "RMG302", f"`in` looks into a list or a text, not into {right[1]}", right[0].span
            )
        # The items of a written list are known; those of a column are not.
        if isinstance(right[0], nodes.ListNode):
            for item in right[0].items:
                self._check_known_label(left, (item, self.check(item, scope).type), scope)

    @staticmethod
    def _check_known_label(
        label: tuple[nodes.Expr, Type], word: tuple[nodes.Expr, Type], scope: Scope
    ) -> None:
        """Report a text that the scale of a label does not offer."""
        if (
            label[1].kind != "label"
            or not isinstance(word[0], nodes.TextNode)
            or not label[1].labels
        ):
            return
        if word[0].value not in label[1].labels:
            close = suggest_name(word[0].value, label[1].labels)
            help = (
                f'did you mean "{close}"?'
                if close
                else f"offered are {format_names(label[1].labels)}"
            )
            scope.report(
                "RMG311",
                f'"{word[0].value}" is not offered by '
                f"`{shorten_expression(scope.source_text(label[0]))}`",
                word[0].span,
                help=help,
            )

    # ── graders and aggregates by name ──

    def passing_condition(self, node: nodes.Expr, scope: Scope) -> Term | None:
        """The `pass` condition of the grader that an expression names; None without one."""
        target = node.function if isinstance(node, nodes.CallNode) else node
        judged: QualifiedName | None = None
        if isinstance(target, nodes.NameNode):
            judged = scope.file.find(target.id)
        elif isinstance(target, nodes.AttributeNode):
            judged = find_library_grader(target, scope)
        # The caller reports a name that is no grader.
        if judged is None:
            return None
        graded = (
            self._resolve_grader_call(node, judged, scope)
            if isinstance(node, nodes.CallNode)
            else self._resolve_grader(judged, scope)
        )
        return graded.passing if graded else None

    def check_score_name(self, node: nodes.Expr, scope: Scope, wanted_by: str) -> bool:
        """Report an undeclared bare name where only a grader or an aggregate makes sense."""
        if (
            not isinstance(node, nodes.NameNode)
            or node.id in scope.local_names
            or dict(scope.bindings).get(node.id)
        ):
            return True
        hidden = scope.file.is_incomplete or scope.file.sees_only_fields
        if scope.file.find(node.id) or scope.state.root.find(node.id) or hidden:
            return True
        library = {
            g.name.id
            for g in scope.state.universe.library.declarations
            if isinstance(g, nodes.GraderDecl)
        }
        # Only names of scores help here: a column would be silently accepted elsewhere.
        close = suggest_name(node.id, score_names(scope))
        fix: str | None
        if node.id in library and not close:
            help, fix = f"write `std.{node.id}`", f"std.{node.id}"
        else:
            help, fix = (
                f"did you mean `{close}`?"
                if close
                else f"declared are {format_names(score_names(scope)) or 'none'}",
                close,
            )
        fixes = [Fix(node.span, fix, f"write `{fix}`")] if fix else []
        label = "no grader or aggregate of this name"
        scope.report(
            "RMG215",
            f"unknown name `{node.id}` in {wanted_by}",
            node.span,
            label=label,
            help=help,
            fixes=fixes,
        )
        return False


def score_names(scope: Scope) -> list[str]:
    """The names of all graders, aggregates, pairwise and rankings in scope."""
    targets = (scope.file.find(name) for name in scope.file.names())
    kinds = (nodes.GraderDecl, nodes.AggregateDecl, nodes.PairwiseDecl, nodes.RankingDecl)
    return [
        name
        for name, at in zip(scope.file.names(), targets, strict=True)
        if at and isinstance(at.declaration, kinds)
    ]


def _is_rebinding(node: nodes.CallNode) -> bool:
    """Does a call such as `exact(response = draft)` look like a grader with one field rebound?"""
    return len(node.arguments) == 1 and isinstance(node.arguments[0].label, nodes.NameNode)


def find_library_grader(node: nodes.AttributeNode, scope: Scope) -> QualifiedName | None:
    """Find the standard grader of `std.name`; report one that does not exist."""
    name = node.key.id
    library = scope.state.library
    if name in library.declarations:
        return QualifiedName(library, name)
    functions = scope.state.universe.functions
    close = suggest_name(name, library.declarations)
    # The text metrics are functions and not graders, which is easily mixed up.
    fixes = [Fix(node.key.span, close, f"write `std.{close}`")] if close else []
    if name in functions:
        help, fixes = (
            f"`{name}` is a function: `{functions[name]}`",
            [Fix(node.span, name, f"write `{name}`")],
        )
    else:
        help = f"did you mean `std.{close}`?" if close else "`rmg std` lists them"
    scope.report(
        "RMG216", f"there is no standard grader `std.{name}`", node.span, help=help, fixes=fixes
    )
    return None


def _root_param_name(qualified: QualifiedName, scope: Scope) -> str:
    """The name of a param in the root file, by which `--set` can reach it; empty if it has none."""
    root = scope.state.root
    if qualified.file is root:
        return qualified.name
    return next(
        (
            local
            for local, target in root.imports.items()
            if target.file.find(target.name) == qualified
        ),
        "",
    )


def _can_compare_types(sign: str, one: Type, other: Type) -> bool:
    # The type of a column is known on the row only.
    if "any" in (one.kind, other.kind) or (one.is_numeric and other.is_numeric):
        return True
    words = ("label", "text")
    return sign in ("==", "!=") and one.kind in words and other.kind in words


def _comparison_help(sign: str, one: Type, other: Type) -> str:
    scales = [kind.scale for kind in (one, other) if kind.scale is not None and kind.scale.words]
    if scales and scales[0].word_values:
        return f"labels with values score by their value: {scales[0]}"
    return "labels and texts take `==`, `!=` and `in`" if sign not in ("==", "!=") else ""


def shorten_expression(text: str) -> str:
    """The text of an expression for a message: one line of at most sixty characters."""
    folded = " ".join(text.split())
    return folded if len(folded) <= 60 else folded[:57] + "…"


def constant_number(typed: TypedTerm) -> float | None:
    """The number that an expression of constants is, or none."""
    value = _fold_constant(typed.term)
    return value if value is not None and abs(value) < inf else None


_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _fold_constant(term: Term) -> float | None:
    if isinstance(term, Constant):
        return (
            term.value
            if isinstance(term.value, int | float) and not isinstance(term.value, bool)
            else None
        )
    if isinstance(term, expr.Negate):
        inner = _fold_constant(term.operand)
        return None if inner is None else -inner
    if not isinstance(term, expr.BinaryOp):
        return None
    value = _fold_constant(term.first)
    for sign, part in term.rest:
        operand = _fold_constant(part)
        if value is None or operand is None or (sign == "/" and operand == 0):
            return None
        value = _OPERATIONS[sign](value, operand)
    return value
