//! A reply as plain words: case, accents, signs, emoji and invisible characters gone; spaced-out letters joined; in
//! scripts that write without spaces, or space as they like, each character a word.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::content::fold::{fold_into, is_apostrophe};

/// Longest text looked at whole; of a longer one the first and last halves of this are read.
const CHARS_MAX: usize = 4_096;

/// The words of a reply, folded. Empty for emoji alone, but for those that say stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(pub Vec<String>);

impl Words {
    pub fn of(text: &str) -> Words {
        let mut words = Vec::new();
        for word in split(text) {
            if word.is_ascii() {
                words.push(word);
            } else {
                push_letters(&word, &mut words);
            }
        }
        words.retain(|w| w.chars().any(|c| c.is_alphanumeric() || is_stop_sign(c)));
        Words(join_spelt(words))
    }

    /// All words as one, for lists of whole messages.
    pub fn spaced(&self) -> String {
        self.0.join(" ")
    }
}

/// A folded word of letters beyond ASCII, each character of an unspaced script apart.
fn push_letters(word: &str, words: &mut Vec<String>) {
    let mut open = false;
    for c in word.nfc().filter_map(plain_letter) {
        let alone = is_unspaced(c) || is_stop_sign(c);
        match words.last_mut() {
            Some(last) if open && !alone => last.push(c),
            _ => words.push(c.to_string()),
        }
        open = !alone;
    }
}

/// Folds a list word the same way as a reply.
pub(super) fn folded(text: &str) -> String {
    Words::of(text).spaced()
}

fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = ' ';
    let mut chars = bounded(text).peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let last = words.len() - 1;
        if is_invisible(c) {
            continue;
        }
        if let Some(letter) = boxed_letter(c) {
            words[last].push(letter);
        } else if is_stop_sign(c) {
            words.push(stop_sign(c).to_string());
            words.push(String::new());
        } else if c.is_alphanumeric() || is_combining_mark(c) || is_leet_sign(c, previous, next) {
            fold_into(&mut words[last], c);
        } else if is_apostrophe(c) {
            if elides(&words[last]) {
                words.push(String::new());
            }
        } else {
            let number = c == '#' && !next.is_alphanumeric() && !previous.is_alphanumeric();
            words.push(if number { "number".to_owned() } else { String::new() });
            if number {
                words.push(String::new());
            }
        }
        previous = c;
    }
    words
}

fn bounded(text: &str) -> impl Iterator<Item = char> {
    let length = text.chars().count();
    let gap = if length > CHARS_MAX { CHARS_MAX / 2..length - CHARS_MAX / 2 } else { 0..0 };
    text.chars().enumerate().filter(move |(at, _)| !gap.contains(at)).map(|(_, c)| c)
}

/// French and Italian elisions are words of their own (`n'envoyez`); English contractions stay one (`don't`).
fn elides(word: &str) -> bool {
    matches!(
        word,
        "l" | "d" | "n" | "m" | "s" | "t" | "j" | "c" | "qu" | "jusqu" | "lorsqu" | "puisqu" | "quelqu"
    )
}

/// `$top`, `unsub$cribe`, `c@ncel`: a sign in place of a letter, next to one.
fn is_leet_sign(c: char, previous: char, next: char) -> bool {
    matches!(c, '$' | '@') && (previous.is_alphabetic() || next.is_alphabetic())
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// 🛑 says stop wherever it stands, 🚫 where nothing else is said.
fn is_stop_sign(c: char) -> bool {
    matches!(c, '🛑' | '⛔' | '🚫' | '🔕' | '📵' | '🙅')
}

fn stop_sign(c: char) -> char {
    if matches!(c, '🛑' | '⛔') { '🛑' } else { '🚫' }
}

/// White letters on black (`🅂🆃🅞🅟`), which Unicode does not decompose.
fn boxed_letter(c: char) -> Option<char> {
    let at = match c {
        '\u{1f150}'..='\u{1f169}' => u32::from(c) - 0x1f150,
        '\u{1f170}'..='\u{1f189}' => u32::from(c) - 0x1f170,
        _ => return None,
    };
    char::from_u32(u32::from('a') + at)
}

/// Scripts whose words are not, or not reliably, apart: Chinese characters, kana, Hangul.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
        || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' | '\u{20000}'..='\u{323af}')
}

/// One letter for those that people use for each other; none for signs of reading only: Arabic vowels and stretching,
/// Hebrew points, the Devanagari nukta.
fn plain_letter(c: char) -> Option<char> {
    match c {
        '\u{610}'..='\u{61a}'
        | '\u{640}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{591}'..='\u{5c7}'
        | '\u{93c}' => None,
        '\u{622}' | '\u{623}' | '\u{625}' | '\u{671}' => Some('\u{627}'),
        '\u{624}' => Some('\u{648}'),
        '\u{626}' | '\u{649}' | '\u{6cc}' => Some('\u{64a}'),
        '\u{6a9}' => Some('\u{643}'),
        '\u{629}' => Some('\u{647}'),
        '\u{901}' => Some('\u{902}'),
        // Katakana as hiragana, without the stretching sign.
        '\u{30a1}'..='\u{30f6}' => char::from_u32(u32::from(c) - 0x60),
        '\u{30fc}' => None,
        c if is_stop_sign(c) => Some(c),
        c if !c.is_alphanumeric() && !is_combining_mark(c) && !matches!(c, '$' | '@') => None,
        c => Some(simplified(c)),
    }
}

/// Characters of the rules whose traditional Chinese or Japanese form differs, each followed by the simplified one.
const VARIANTS: &str = "訂订閱阅簡简訊讯傳传發发再再請请別别給给廣广擾扰號号碼码單单聯联絡络電电話话繫系興兴趣趣錯错認认識识\
    誰谁訴诉舉举報报檢检註注冊册個个資资訊讯權权絕绝夠够煩烦鎖锁們们這这裡里裏里來来為为過过還还沒没會会聽听開开關关\
    戶户獲获從从優优惠惠應应該该將将與与對对讓让謝谢問问時时間间麼么麽么寄寄壓压騷骚總总討讨厭厌氣气處处東东\
    貨货價价錢钱買买賣卖條条停停據据護护隱隐專专線线嗎吗後后說说勿勿邊边點点選选擇择變变稱称歡欢僅仅願愿刪删\
    員员銷销閉闭誤误轉转滾滚樣样種种幹干媽妈罵骂擋挡續续繼继響响簽签廢废屬属務务動动郵邮終终係系無无報报斷断離离圾圾騙骗\
    換换藍蓝紅红黃黄綠绿顏颜褲裤襯衬帶带圍围圖图網网頁页鈕钮稅税運运費费倉仓庫库險险賬账帳账鐘钟燈灯鍋锅錶表鏡镜鏈链鍵键盤盘腦脑機机紙纸飯饭雞鸡車车輪轮騎骑購购贈赠減减賠赔償偿\
    寬宽細细長长雙双隻只張张層层樓楼門门場场區区鄰邻遠远進进達达連连週周尋寻緊紧掛挂驗验證证確确適适補补損损壞坏髒脏剛刚鬧闹瘋疯惱恼惡恶閒闲視视覽览讀读寫写書书檔档欄栏掃扫撥拨\
    幫帮禮礼擊击觸触內内兩两圓圆嚴严夾夹學学寶宝實实幣币廠厂彈弹復复慘惨態态懷怀戰战擔担敗败數数曉晓極极構构歲岁殺杀殘残決决況况淨净溫温湯汤滅灭滿满熱热爭争獨独環环產产畫画異异當当盡尽監监盜盗穩稳窮穷節节範范糾纠純纯級级組组結结統统絲丝經经練练縮缩職职肅肃脫脱舊旧華华萬万蓋盖虛虚術术衛卫裝装複复規规親亲計计記记訪访設设許许試试詐诈詢询詳详誇夸誠诚談谈論论譽誉負负\
    財财責责貪贪質质跡迹軟软較较載载輕轻農农遲迟遺遗醜丑釋释針针銀银錄录陣阵陳陈際际難难雲云靜静順顺須须預预頭头題题額额類类養养館馆驚惊體体髮发魚鱼鮮鲜麗丽黨党齊齐龍龙賴赖瞭了癢痒籤签嘗尝襪袜鑰钥貓猫貳贰嬰婴濃浓淺浅鬆松壺壶";

fn simplified(c: char) -> char {
    static TABLE: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
        let chars: Vec<char> = VARIANTS.chars().filter(|c| !c.is_whitespace()).collect();
        chars.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    });
    if ('\u{4e00}'..='\u{9fff}').contains(&c) { TABLE.get(&c).copied().unwrap_or(c) } else { c }
}

/// `s t o p` is one word: runs of three or more single letters of a spaced script are joined.
fn join_spelt(words: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    let mut run = 0;
    for word in words {
        run = if is_letter(&word) { run + 1 } else { 0 };
        joined.push(word);
        if run == 3 {
            let tail = joined.split_off(joined.len() - 3);
            joined.push(tail.concat());
        } else if run > 3
            && let Some(letter) = joined.pop()
            && let Some(word) = joined.last_mut()
        {
            word.push_str(&letter);
        }
    }
    joined
}

fn is_letter(word: &str) -> bool {
    let mut chars = word.chars();
    let first = chars.next().filter(|c| c.is_alphabetic() && !is_unspaced(*c));
    first.is_some() && chars.next().is_none()
}

/// Letters that look like Latin ones, as Latin; the word unchanged if none does.
pub(super) fn without_homoglyphs(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            'а' | 'α' | 'ᴀ' => 'a',
            'в' | 'β' | 'ʙ' => 'b',
            'с' | 'ϲ' | 'ᴄ' => 'c',
            'ᴅ' => 'd',
            'е' | 'ε' | 'ᴇ' => 'e',
            'ɢ' => 'g',
            'һ' | 'ʜ' => 'h',
            'і' | 'ι' | 'ɪ' => 'i',
            'ј' | 'ᴊ' => 'j',
            'к' | 'κ' | 'ᴋ' => 'k',
            'ӏ' | 'ʟ' => 'l',
            'м' | 'ᴍ' => 'm',
            'п' | 'η' | 'ɴ' => 'n',
            'о' | 'ο' | 'σ' | 'ᴏ' => 'o',
            'р' | 'ρ' | 'ᴘ' => 'p',
            'ʀ' => 'r',
            'ѕ' | 'ꜱ' => 's',
            'т' | 'τ' | 'ᴛ' => 't',
            'υ' | 'ᴜ' => 'u',
            'ν' | 'ᴠ' => 'v',
            'ᴡ' => 'w',
            'х' | 'χ' => 'x',
            'у' | 'γ' | 'ʏ' => 'y',
            'ᴢ' => 'z',
            c => c,
        })
        .collect()
}

/// Digits and signs as the letters they stand for; `one` says whether `1` is `i` or `l`.
pub(super) fn without_leet(word: &str, one: char) -> String {
    word.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => one,
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            c => c,
        })
        .collect()
}

/// Cuts every run of the same letter longer than `longest` to `keep` letters.
pub(super) fn squeezed(word: &str, longest: usize, keep: usize) -> String {
    let chars: Vec<char> = word.chars().collect();
    chars
        .chunk_by(|a, b| a == b)
        .flat_map(|run| std::iter::repeat_n(run[0], if run.len() > longest { keep } else { run.len() }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_people_who_type_as_they_like() {
        for (text, expected) in [
            ("  STOP!!! ", "stop"),
            ("s t o p", "stop"),
            ("S.T.O.P texting", "stop texting"),
            ("s_t-o p", "stop"),
            ("ＳＴＯＰ 𝗡𝗢𝗪", "stop now"),
            ("st\u{200b}op", "stop"),
            ("Don’t / n'envoyez", "dont n envoyez"),
            ("ARRÊT İPTAL ıptal", "arret iptal iptal"),
            ("$top c@ncel $5 a@b", "$top c@ncel 5 a@b"),
            ("إيقاف أَلغاء", "ايقاف الغاء"),
            ("🛑🙄", "🛑"),
            ("🙄😂", ""),
            ("🆂🆃🅾🅿 🄽🄾🅆", "stop now"),
            ("wrong # #1", "wrong number 1"),
            ("퇴 수신거부", "퇴 수 신 거 부"),
            ("ｽﾄｯﾌﾟ SMSをやめて", "す と っ ぷ sms を や め て"),
            ("請取消訂閱", "请 取 消 订 阅"),
            ("с т о п", "стоп"),
            ("رسائل رسايل", "رسايل رسايل"),
            ("मुझे नहीं/ नहीँ", "मुझे नहीं नहीं"),
        ] {
            assert_eq!(Words::of(text).spaced(), expected, "{text}");
        }
    }

    #[test]
    fn disguises_fall() {
        assert_eq!(without_homoglyphs("ѕтор"), "stop");
        assert_eq!(without_leet("5t0p", 'i'), "stop");
        assert_eq!(squeezed("stooopp", 2, 1), "stopp");
        assert_eq!(squeezed("stooopp", 1, 1), "stop");
    }

    proptest! {
        #[test]
        fn any_text_becomes_bounded_words(text in any::<String>()) {
            let words = Words::of(&text);
            prop_assert!(words.0.iter().all(|w| !w.is_empty()));
        }
    }
}
