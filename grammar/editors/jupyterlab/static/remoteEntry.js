// Colours for the RMG language in JupyterLab 4 and Notebook 7: cells that begin with %%grade or %%rmg, and .rmg files.
//
// Written by hand and shipped as it is: there is nothing to build. JupyterLab loads this script, gives the container
// below the modules that it shares, and asks it for its plugin.
"use strict";

(() => {
  const NAME = "rmg-dsl";

  // Made from the grammar by `python -m rmg_dsl.integrations.jupyterlab`, and compared with it by the tests.
  const WORDS = {
    "declarations": "rmg from param model fields grader pairwise ranking aggregate refine require validate internal".split(" "),
    "named": "param model pairwise ranking aggregate refine validate internal".split(" "),
    "scaled": "grader".split(" "),
    "inside": "import as against when veto".split(" "),
    "scale": "lower bool points".split(" "),
    "operators": "if else or and not in".split(" "),
    "constants": "True False None".split(" "),
    "keys": "among by compare decide draft escalate feedback generator group guard holdout keep level logprobs missing model pass patience pool prompt rounds rubric samples score swap system timeout until".split(" "),
    "templates": "draft prompt system".split(" "),
    "functions": "weighted min max sum any all unit clip round abs passed scored given default column words chars length contains contains_all contains_any starts_with ends_with matches extract join transcript lower upper strip exact exact_ci rouge_1 rouge_2 rouge_l bleu chrf token_f1 levenshtein jaccard json_valid json_equal number_close mean median share count unscored stdev variance quantile kappa weighted_kappa alpha fleiss accuracy pearson spearman kendall low high llm panel python".split(" "),
    "graders": "relevance correctness helpfulness harmlessness accuracy hallucination instruction_following conciseness".split(" "),
    "settings": "temperature top_p max_tokens seed timeout concurrency rpm tpm max_retries reasoning_effort extra_body price base_url api_key_env".split(" "),
    "statements": "if elif else endif for endfor set raw endraw and or in is not".split(" "),
    "filters": "abs capitalize count d default first float int join last length list lower map max min reject rejectattr replace reverse round select selectattr sort string sum title tojson trim truncate unique upper wordcount".split(" "),
  };

  // ── the words and patterns of the language ─────────────────────────────────────────────────────────────────────

  const oneOf = words => `(?:${[...words].sort((a, b) => b.length - a.length).join("|")})(?![\\p{L}\\p{N}_])`;
  const at = (...parts) => new RegExp(parts.join(""), "yu");
  const ID = "[\\p{L}_][\\p{L}\\p{N}_]*";
  const NUMBER = "(?:\\d[\\d_]*(?:\\.(?!\\.)[\\d_]*)?|\\.\\d[\\d_]*)(?:[eE][+-]?\\d+)?(?![\\p{L}\\p{N}_])";
  const ESCAPE = "\\\\(?:[\\\\'\"abfnrtv]|$|[0-7]{1,3}|x[\\da-fA-F]{2}|u[\\da-fA-F]{4}|U[\\da-fA-F]{8}|N\\{[^}]+\\})";
  const MAGIC = /^\s*%%(?:grade|rmg)(?!\w)/;
  const QUOTES = ['"""', "'''", '"', "'"];
  const BEGINS = new RegExp(`^${oneOf(WORDS.declarations)}\\s+["\\p{L}_]`, "u");

  // ── how lines are cut into pieces ──────────────────────────────────────────────────────────────────────────────
  //
  // A rule is [pattern, style or the styles of its groups, the frames to open instead of this one, or on top of it].
  // The first rule of the innermost open frame that fits is taken; a rule that takes no character only changes frames.

  const open = (...frames) => ({ open: frames });
  const become = (...frames) => ({ open: frames, close: true });
  const close = become();

  const EXPRESSION = () => [
    [at(`(?<=[\\p{L}\\p{N}_)\\]"'])(\\s+)(${oneOf(WORDS.inside)})(?=\\s+[\\p{L}\\p{N}_"'(])`), [null, "keyword"]],
    [at("\\s+"), null],
    [at("#.*"), "comment"],
    ...texts("text"),
    [at("->"), "operator", open("scale")],
    [at(oneOf(WORDS.constants)), "bool"],
    [at(oneOf(WORDS.operators)), "keyword"],
    [at(`(std)(\\.)(${oneOf(WORDS.graders)})`), ["variableName.standard", "operator", "variableName.standard"]],
    [at(`${oneOf(WORDS.functions)}(?=\\s*\\()`), "variableName.standard"],
    [at(`${oneOf(WORDS.settings)}(?=\\s*=(?!=))`), "attributeName"],
    [at(`(\\.)(${ID})`), ["operator", "propertyName"]],
    [at(ID), "variableName"],
    [at(NUMBER), "number"],
    [at("\\.\\.|[-+*/<>=!|.]+"), "operator"],
    [at("[(\\[]"), "bracket", open("brackets")],
    [at("[)\\]]"), "bracket"],
    [at("[,:]"), "punctuation"],
  ];

  const LINES = () => [
    [at("##.*"), "docComment"],
    [at(`(${oneOf(WORDS.scaled)})(\\s+)(${ID})`), ["keyword", null, "variableName.definition"], open("head")],
    [at(`(${oneOf(WORDS.named)})(\\s+)(${ID})`), ["keyword", null, "variableName.definition"]],
    [at(`${oneOf(WORDS.declarations)}(?=\\s*:|\\s+[^\\s=:])`), "keyword"],
    [at(`(\\s+)(${oneOf(WORDS.templates)})(\\s*)(=)(?!=)`), [null, "propertyName", null, "operator"], open("prompt")],
    [at(`(\\s+)(${oneOf(WORDS.keys)})(\\s*)(=)(?!=)`), [null, "propertyName", null, "operator"]],
    [at("(\\s+)(rubric)(\\s*)(:)"), [null, "propertyName", null, "punctuation"]],
    [at(`(\\s+)(${ID})(\\s*)(=)(?!=)`), [null, "variableName", null, "operator"]],
    [at(`(\\s+)([+-]?${NUMBER})(\\s*)(:)`), [null, "number", null, "punctuation"], open("prompt")],
    [at("(\\s+)(veto|True|False)(\\s*)(:)"), [null, "bool", null, "punctuation"], open("prompt")],
    [at("(\\s+)(\"[^\"]*\"|'[^']*')(\\s*)(:)"), [null, "string", null, "punctuation"], open("prompt")],
  ];

  // A range is one piece: JupyterLab offers pieces of a cell as words, and `..` is none.
  const SCALE = () => [
    [at(oneOf(WORDS.scale)), "keyword"],
    [at(`${NUMBER}\\.\\.-?${NUMBER}`), "number"],
    [at(NUMBER), "number"],
    [at("\\.\\.|[-|+]"), "operator"],
    [at("\\s+"), null],
    ...texts("text"),
  ];

  const OPTIONS = () => [
    [at("(\\s*)(%%(?:grade|rmg))"), [null, "meta"]],
    [at("(?<=\\s)--?[\\p{L}][\\p{L}\\p{N}_-]*"), "attributeName"],
    [at("#.*"), "comment"],
    [at("\"[^\"]*\"|'[^']*'"), "string"],
    [at(ID), "variableName"],
    [at(NUMBER), "number"],
    [at("\\s+"), null],
  ];

  function texts(use) {
    return QUOTES.flatMap(quotes => [
      [at(`(r)(${quotes})`), ["keyword", "string"], (use === "prompt" ? become : open)(`${use} r${quotes}`)],
      [at(quotes), "string", (use === "prompt" ? become : open)(`${use} ${quotes}`)],
    ]);
  }

  function textFrames() {
    const frames = {};
    for (const quotes of QUOTES) {
      for (const raw of ["", "r"]) {
        const plain = [
          [at(quotes), "string", close],
          ...(raw ? [] : [[at(ESCAPE), "string.special"]]),
          [at("\\\\.|[^\\\\{\"']+|."), "string"],
        ];
        const tags = [
          [at("\\{#"), "comment", open("remark")],
          [at("(\\{%-?)(\\s*)(raw)(\\s*)(-?%\\})"), ["meta", null, "keyword", null, "meta"], open(`raw ${quotes}`)],
          [at("\\{[{%]-?"), "meta", open(`tag ${quotes}`)],
        ];
        frames[`text ${raw}${quotes}`] = plain;
        frames[`prompt ${raw}${quotes}`] = [...tags, ...plain];
      }
      frames[`tag ${quotes}`] = tag(quotes);
      frames[`raw ${quotes}`] = [
        [at(`(?=${quotes})`), null, close],
        [at("(\\{%-?)(\\s*)(endraw)(\\s*)(-?%\\})"), ["meta", null, "keyword", null, "meta"], close],
        [at("[^{\"']+|."), "string"],
      ];
    }
    return frames;
  }

  function tag(quotes) {
    const other = quotes.startsWith('"') ? "'" : '"';
    return [
      [at("-?[%}]\\}"), "meta", close],
      [at(`(?=${quotes})`), null, close],
      [at(quotes.length === 1 ? `${other}[^${other}]*${other}` : "\"[^\"]*\"|'[^']*'"), "string"],
      [at(`(\\|)(\\s*)(${oneOf(WORDS.filters)})`), ["operator", null, "variableName.standard"]],
      [at(`(\\.)(${ID})`), ["operator", "propertyName"]],
      [at(oneOf(WORDS.statements)), "keyword"],
      [at(oneOf(["true", "false", "none", ...WORDS.constants])), "bool"],
      [at(ID), "variableName.special"],
      [at(NUMBER), "number"],
      [at("\\s+"), null],
      [at("\\\\."), "string.special"],
      [at("[-+*/%~<>=!|]+"), "operator"],
      [at("."), "punctuation"],
    ];
  }

  const FRAMES = () => ({
    root: EXPRESSION(),
    brackets: [[at("[)\\]]"), "bracket", close], ...EXPRESSION()],
    head: [
      [at("->"), "operator"],
      [at("\\("), "bracket", open("values")],
      [at("=(?!=)"), "operator", become("prompt")],
      ...SCALE(),
      [at(""), null, close],
    ],
    values: [[at("\\)"), "bracket", close], [at("="), "operator"], ...SCALE(), [at(""), null, close]],
    scale: [[at("\\("), "bracket", open("values")], ...SCALE(), [at(""), null, close]],
    prompt: [[at("\\s+"), null], ...texts("prompt"), [at(""), null, close]],
    remark: [[at("#\\}"), "comment", close], [at("[^#]+|."), "comment"]],
    ...textFrames(),
  });

  let rules;
  let lines;
  let options;

  function prepare() {
    rules ??= FRAMES();
    lines ??= LINES();
    options ??= OPTIONS();
  }

  // Brackets are open at the end of a line, and so is a text of several lines with all that is in it; all else ends.
  const goesOn = frame => /^(?:root|brackets|values)$/.test(frame);

  function startLine(state, line) {
    const inText = state.frames.some(frame => /"""|'''/.test(frame));
    while (!inText && !goesOn(state.frames.at(-1))) state.frames.pop();
    if (!inText && BEGINS.test(line)) state.frames = ["root"]; // a bracket above was never closed
    state.magic = state.first && MAGIC.test(line);
    state.first = state.first && !line.trim();
  }

  /** The next piece of a line, from `stream.pos` on: moves there and gives its style. */
  function token(stream, state) {
    if (stream.sol()) startLine(state, stream.string);
    for (let changes = 0; changes < 20; changes++) {
      if (state.queue.length) {
        const [length, style] = state.queue.shift();
        stream.pos += length;
        return style;
      }
      if (!step(stream, state)) break;
    }
    stream.pos += 1;
    return null;
  }

  function step(stream, state) {
    const frame = state.frames.at(-1);
    const first = stream.sol() && frame === "root" ? lines : [];
    for (const rule of state.magic ? options : [...first, ...rules[frame]]) {
      const [pattern, styles, frames] = rule;
      pattern.lastIndex = stream.pos;
      const found = pattern.exec(stream.string);
      if (!found || (!found[0] && !frames)) continue;
      if (frames?.close) state.frames.pop();
      if (frames) state.frames.push(...frames.open);
      const pieces = Array.isArray(styles) ? styles.map((style, i) => [found[i + 1].length, style]) : [[found[0].length, styles]];
      state.queue.push(...pieces.filter(([length]) => length));
      return true;
    }
    return false;
  }

  const startState = () => ({ frames: ["root"], queue: [], first: true, magic: false });
  const copyState = state => ({ ...state, frames: [...state.frames], queue: [...state.queue] });

  /** Every piece of a text with its style: [from, to, style]. */
  function tokens(text) {
    prepare();
    const state = startState();
    const found = [];
    let start = 0;
    for (const string of text.split("\n")) {
      const stream = { string, pos: 0, sol: () => stream.pos === 0 };
      while (stream.pos < string.length) {
        const from = stream.pos;
        const style = token(stream, state);
        found.push([start + from, start + stream.pos, style]);
      }
      start += string.length + 1;
    }
    return found;
  }

  // ── in JupyterLab ──────────────────────────────────────────────────────────────────────────────────────────────

  function languageOf({ StreamLanguage }) {
    prepare();
    return StreamLanguage.define({
      name: "rmg",
      startState,
      copyState,
      token,
      languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "[", "{", '"', "'", '"""'] } },
    });
  }

  const isOurs = text => MAGIC.test(text);

  /** While a cell begins with one of our magics, its language is RMG, whatever the notebook's is. */
  function cells(rmg, { language }, { Compartment, EditorState, Prec }) {
    const place = new Compartment();
    const chosen = ours => (ours ? Prec.highest(rmg) : []);
    const follow = EditorState.transactionExtender.of(change => {
      if (!change.docChanged) return null;
      const ours = isOurs(change.newDoc.sliceString(0, 200));
      const before = place.get(change.startState);
      return ours === !Array.isArray(before) ? null : { effects: place.reconfigure(chosen(ours)) };
    });
    return text => [place.of(chosen(isOurs(text))), follow];
  }

  function plugin(shared) {
    const { codemirror, language, state } = shared;
    return {
      id: `${NAME}:colours`,
      description: "Colours %%grade and %%rmg cells, and .rmg files.",
      autoStart: true,
      requires: [codemirror.IEditorLanguageRegistry, codemirror.IEditorExtensionRegistry],
      activate: (app, languages, extensions) => {
        const rmg = languageOf(language);
        const support = new language.LanguageSupport(rmg);
        languages.addLanguage({ name: "rmg", displayName: "RMG", mime: "text/x-rmg", extensions: ["rmg"], support });
        app.docRegistry.addFileType({
          name: "rmg",
          displayName: "RMG spec",
          extensions: [".rmg"],
          mimeTypes: ["text/x-rmg"],
          contentType: "file",
          fileFormat: "text",
        });
        const inCell = cells(rmg, language, state);
        extensions.addExtension({
          name: `${NAME}:cells`,
          factory: ({ model }) =>
            codemirror.EditorExtensionRegistry.createImmutableExtension(inCell(model.sharedModel.source)),
        });
      },
    };
  }

  // ── the container that JupyterLab loads ────────────────────────────────────────────────────────────────────────

  let scope = {};

  /** A module that JupyterLab shares, in the highest version that there is: the one that it uses itself. */
  async function shared(name) {
    const numbers = version => version.split(/\D+/).map(Number);
    const later = (a, b) => {
      const [left, right] = [numbers(a), numbers(b)];
      const i = left.findIndex((number, place) => number !== right[place]);
      return i < 0 ? 0 : left[i] - (right[i] ?? 0);
    };
    const newest = Object.keys(scope[name]).sort(later).at(-1);
    return (await scope[name][newest].get())();
  }

  const modules = {
    "./extension": async () => {
      const names = ["@jupyterlab/codemirror", "@codemirror/language", "@codemirror/state"];
      const [codemirror, language, state] = await Promise.all(names.map(shared));
      const found = { __esModule: true, default: plugin({ codemirror, language, state }) };
      return () => found;
    },
    "./tokens": async () => () => tokens,
  };

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB[NAME] = {
    init: given => {
      scope = given;
    },
    get: async name => {
      if (!modules[name]) throw new Error(`${NAME} has no module ${name}`);
      return modules[name]();
    },
  };
})();
