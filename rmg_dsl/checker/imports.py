"""The names of each file: its declarations, and what it imports from other files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rmg_dsl.checker.scope import Book, File, Foreign, Named, Scope
from rmg_dsl.diagnostics import Fix, Source, Span, errors_in
from rmg_dsl.suggest import likely, listed
from rmg_dsl.syntax import nodes, parse

EDITION = 1


@dataclass(eq=False, slots=True)
class Files:
    """Reads a spec's own names and those of the files that it imports; each file once."""

    book: Book
    _read: dict[str, File] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def read(self, file: File) -> None:
        """Fill in a file's declarations and imports; reports what is declared twice or cannot be imported."""
        self._open.append(file.source.name)
        scope = Scope(self.book, file, "")
        self._edition(file, scope)
        for declared in file.module.declarations:
            if isinstance(declared, nodes.ImportDecl):
                self._import(declared, file, scope)
            elif isinstance(declared, nodes.InternalDecl):
                help = "only the standard library's own files declare what Python implements; `functions={…}` gives yours"
                scope.report(
                    "RMG222", "`internal` is for the standard library", declared.span, help=help
                )
            for name, named in _named(declared):
                self._declare(name, named, file, scope)
            file.incomplete = file.incomplete or (
                isinstance(declared, nodes.Broken) and not declared.names
            )
            file.hides_fields = file.hides_fields or (
                isinstance(declared, nodes.FieldsDecl) and declared.damaged
            )
        self._open.pop()

    def _edition(self, file: File, scope: Scope) -> None:
        edition = file.module.edition
        if edition is not None and edition.number != EDITION:
            help = f"this version knows edition {EDITION}; a newer one may know {edition.number}"
            scope.report("RMG213", f"unknown edition {edition.number}", edition.span, help=help)
        elif edition is None and file.source.name.endswith(".rmg") and file.module.declarations:
            fix = Fix(Span(0, 0), "rmg 1\n\n", "add the edition")
            help = "write `rmg 1` first: the file then means the same in every later version"
            scope.report("RMG214", "the edition is not given", Span(0, 1), help=help, fixes=[fix])

    def _declare(self, name: nodes.NameNode, named: Named, file: File, scope: Scope) -> None:
        before = file.declared.get(name.id)
        if before is None and name.id not in file.imported:
            file.declared[name.id] = named
            return
        line = file.source.position(before.span.start).line if before else 0
        where = f" (line {line})" if before else " (imported)"
        if not isinstance(before, nodes.Broken) and not isinstance(named, nodes.Broken):
            scope.report(
                "RMG202",
                f"`{name.id}` is declared twice",
                name.span,
                label=f"it is already there{where}",
                help="names are unique in a file: choose another one",
            )

    # ── imports ──

    def _import(self, node: nodes.ImportDecl, file: File, scope: Scope) -> None:
        for imported in node.names:
            local = imported.local.id
            if local in file.imported or local in file.declared:
                scope.report(
                    "RMG202",
                    f"`{local}` is declared twice",
                    imported.local.span,
                    help="import it under another name: `as …`",
                )
        other = self._other(node, file, scope)
        for imported in node.names:
            local = imported.local.id
            if other is not None and _offers(other, imported.name.id):
                file.imported.setdefault(local, Foreign(other, imported.name.id))
                continue
            if other is not None:
                self._not_there(imported, other, node, scope)
            # The name is meant to be there: its uses are no mistakes of their own.
            file.declared.setdefault(local, nodes.Broken((local,), imported.span))

    def _not_there(
        self, imported: nodes.Imported, other: File, node: nodes.ImportDecl, scope: Scope
    ) -> None:
        names = [n for n in other.names() if not isinstance(other.declared.get(n), nodes.FieldDecl)]
        close = likely(imported.name.id, names)
        help = (
            f"did you mean `{close}`?"
            if close
            else f"it declares {listed(names) or 'nothing'}; fields are not imported"
        )
        fixes = [Fix(imported.name.span, close, f"write `{close}`")] if close else []
        scope.report(
            "RMG206",
            f'"{node.path.value}" has no `{imported.name.id}`',
            imported.name.span,
            help=help,
            fixes=fixes,
        )

    def _other(self, node: nodes.ImportDecl, file: File, scope: Scope) -> File | None:
        source = self._load(node, file, scope)
        if source is None:
            return None
        if source.name in self._open:
            loop = " → ".join([*self._open[self._open.index(source.name) :], source.name])
            scope.report(
                "RMG207",
                f"files that import each other: {loop}",
                node.path.span,
                help="put what both need into a third file",
            )
            return None
        if source.name not in self._read:
            self._read[source.name] = self._parsed(source, node, scope)
        return self._read[source.name]

    def _load(self, node: nodes.ImportDecl, file: File, scope: Scope) -> Source | None:
        try:
            return self.book.universe.load(node.path.value, file.source.name)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "not found"
            help = "the path counts from the folder of this file"
            scope.report(
                "RMG205",
                f'"{node.path.value}" cannot be read: {reason.lower()}',
                node.path.span,
                help=help,
            )
            return None

    def _parsed(self, source: Source, node: nodes.ImportDecl, scope: Scope) -> File:
        parsed = parse(source)
        other = File(parsed.module)
        before = len(self.book.diagnostics)
        self.book.diagnostics += parsed.diagnostics
        self.read(other)
        if errors_in(self.book.diagnostics[before:]):
            scope.report(
                "RMG208",
                f'"{node.path.value}" has mistakes of its own',
                node.path.span,
                help="they are listed with it",
            )
            other.incomplete = True
        self.book.diagnostics[before:] = [
            d for d in self.book.diagnostics[before:] if d.code != "RMG214"
        ]
        return other


def _offers(other: File, name: str) -> bool:
    return other.find(name) is not None and not isinstance(
        other.declared.get(name), nodes.FieldDecl
    )


def _named(declared: nodes.Declaration) -> Iterator[tuple[nodes.NameNode, Named]]:
    match declared:
        case nodes.FieldsDecl(fields):
            for one in fields:
                yield one.name, one
        case nodes.Broken(names):
            for name in names:
                yield nodes.NameNode(name, declared.span), declared
        case (
            nodes.ParamDecl()
            | nodes.ModelDecl()
            | nodes.GraderDecl()
            | nodes.PairwiseDecl()
            | nodes.RankingDecl()
            | nodes.AggregateDecl()
        ):
            yield declared.name, declared
        case _:
            return
