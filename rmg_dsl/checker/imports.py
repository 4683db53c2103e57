"""Resolve imports: the names of each file, declared or imported from other files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rmg_dsl.checker.scope import (
    CheckState,
    NamedDeclaration,
    QualifiedName,
    Scope,
    SpecFile,
    suggest_fix,
)
from rmg_dsl.diagnostics import Fix, Source, Span, has_errors
from rmg_dsl.suggest import format_names
from rmg_dsl.syntax import nodes, parse

EDITION = 1


@dataclass(eq=False, slots=True)
class ImportResolver:
    """Reads the names of a spec and of the files that it imports. Each file is read once."""

    state: CheckState
    _files_by_name: dict[str, SpecFile] = field(default_factory=dict)
    _import_stack: list[str] = field(default_factory=list)

    def read(self, file: SpecFile) -> None:
        """Fill in the declarations and imports of a file; report duplicates and failed imports."""
        # The stack of open files finds imports in a circle.
        self._import_stack.append(file.source.name)
        scope = Scope(self.state, file, "")
        self._check_edition(file, scope)
        for declared in file.module.declarations:
            if isinstance(declared, nodes.ImportDecl):
                self._import(declared, file, scope)
            elif isinstance(declared, nodes.InternalDecl):
                help = (
                    "only the standard library's own files declare what Python implements; "
                    "`functions={…}` gives yours"
                )
                scope.report(
                    "RMG222", "`internal` is for the standard library", declared.span, help=help
                )
            for name, named in _named_declarations(declared):
                self._declare(name, named, file, scope)
            if isinstance(declared, nodes.Broken) and not declared.names:
                file.is_incomplete = True
            if isinstance(declared, nodes.FieldsDecl) and declared.damaged:
                file.sees_only_fields = True
        self._import_stack.pop()

    def _check_edition(self, file: SpecFile, scope: Scope) -> None:
        # A cell needs no edition: it is never read by a later version.
        edition = file.module.edition
        if edition is not None and edition.number != EDITION:
            help = f"this version knows edition {EDITION}; a newer one may know {edition.number}"
            scope.report("RMG213", f"unknown edition {edition.number}", edition.span, help=help)
        elif edition is None and file.source.name.endswith(".rmg") and file.module.declarations:
            fix = Fix(Span(0, 0), "rmg 1\n\n", "add the edition")
            help = "write `rmg 1` first: the file then means the same in every later version"
            scope.report("RMG214", "the edition is not given", Span(0, 1), help=help, fixes=[fix])

    def _declare(
        self, name: nodes.NameNode, named: NamedDeclaration, file: SpecFile, scope: Scope
    ) -> None:
        before = file.declarations.get(name.id)
        if before is None and name.id not in file.imports:
            file.declarations[name.id] = named
            return
        where = " (imported)"
        if before is not None:
            where = f" (line {file.source.position(before.span.start).line})"
        # A declaration that could not be parsed may have been meant under another name.
        if not isinstance(before, nodes.Broken) and not isinstance(named, nodes.Broken):
            scope.report(
                "RMG202",
                f"`{name.id}` is declared twice",
                name.span,
                label=f"it is already there{where}",
                help="names are unique in a file: choose another one",
            )

    # ── imports ──

    def _import(self, node: nodes.ImportDecl, file: SpecFile, scope: Scope) -> None:
        for imported in node.names:
            local = imported.local_name.id
            if local in file.imports or local in file.declarations:
                scope.report(
                    "RMG202",
                    f"`{local}` is declared twice",
                    imported.local_name.span,
                    help="import it under another name: `as …`",
                )
        other = self._imported_file(node, file, scope)
        for imported in node.names:
            local = imported.local_name.id
            if other is not None and _exports(other, imported.name.id):
                file.imports.setdefault(local, QualifiedName(other, imported.name.id))
                continue
            if other is not None:
                self._report_missing_name(imported, other, node, scope)
            # Declare it all the same, so that each use does not report the same mistake again.
            file.declarations.setdefault(local, nodes.Broken((local,), imported.span))

    def _report_missing_name(
        self, imported: nodes.Imported, other: SpecFile, node: nodes.ImportDecl, scope: Scope
    ) -> None:
        names = [
            n for n in other.names() if not isinstance(other.declarations.get(n), nodes.FieldDecl)
        ]
        otherwise = f"it declares {format_names(names) or 'nothing'}; fields are not imported"
        help, fixes = suggest_fix(imported.name, names, otherwise)
        scope.report(
            "RMG206",
            f'"{node.path.value}" has no `{imported.name.id}`',
            imported.name.span,
            help=help,
            fixes=fixes,
        )

    def _imported_file(
        self, node: nodes.ImportDecl, file: SpecFile, scope: Scope
    ) -> SpecFile | None:
        source = self._load_source(node, file, scope)
        if source is None:
            return None
        if source.name in self._import_stack:
            first = self._import_stack.index(source.name)
            loop = " → ".join([*self._import_stack[first:], source.name])
            scope.report(
                "RMG207",
                f"files that import each other: {loop}",
                node.path.span,
                help="put what both need into a third file",
            )
            return None
        if source.name not in self._files_by_name:
            self._files_by_name[source.name] = self._parse_import(source, node, scope)
        return self._files_by_name[source.name]

    def _load_source(self, node: nodes.ImportDecl, file: SpecFile, scope: Scope) -> Source | None:
        try:
            return self.state.universe.load(node.path.value, file.source.name)
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

    def _parse_import(self, source: Source, node: nodes.ImportDecl, scope: Scope) -> SpecFile:
        parsed = parse(source)
        other = SpecFile(parsed.module)
        before = len(self.state.diagnostics)
        self.state.diagnostics += parsed.diagnostics
        self.read(other)
        if has_errors(self.state.diagnostics[before:]):
            scope.report(
                "RMG208",
                f'"{node.path.value}" has mistakes of its own',
                node.path.span,
                help="they are listed with it",
            )
            other.is_incomplete = True
        self.state.diagnostics[before:] = [
            d for d in self.state.diagnostics[before:] if d.code != "RMG214"
        ]
        return other


def _exports(other: SpecFile, name: str) -> bool:
    return other.find(name) is not None and not isinstance(
        other.declarations.get(name), nodes.FieldDecl
    )


def _named_declarations(
    declared: nodes.Declaration,
) -> Iterator[tuple[nodes.NameNode, NamedDeclaration]]:
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
